package config

import "github.com/zclconf/go-cty/cty"

func (d *decoder) rules(out *Decoded)                 {}
func (d *decoder) jobRules(out *Decoded, v cty.Value) {}
