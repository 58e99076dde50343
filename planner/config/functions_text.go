package config

import (
	"crypto/sha1"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// textFunc makes a function of one text that gives another.
func textFunc(param string, f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: param, Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := f(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			return cty.StringVal(text), nil
		},
	})
}

// affixFunc makes a function that tells whether a text has a part.
func affixFunc(param string, test func(s, affix string) bool) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "str", Type: cty.String}, {Name: param, Type: cty.String}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// startsWithFunc tells whether a text begins with another. The beginning of an unknown text may be known, as in
// "job-${task.train.id}".
var startsWithFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "str", Type: cty.String, AllowUnknown: true}, {Name: "prefix", Type: cty.String}},
	Type:         function.StaticReturnType(cty.Bool),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		prefix := args[1].AsString()
		if args[0].IsKnown() {
			return cty.BoolVal(strings.HasPrefix(args[0].AsString(), prefix)), nil
		}
		switch begin := args[0].Range().StringPrefix(); {
		case strings.HasPrefix(begin, prefix):
			return cty.True, nil
		case !strings.HasPrefix(prefix, begin):
			return cty.False, nil
		}
		return cty.UnknownVal(cty.Bool), nil
	},
})

// replaceFunc replaces a part of a text, or what matches a pattern between slashes.
var replaceFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "str", Type: cty.String}, {Name: "substr", Type: cty.String}, {Name: "replace", Type: cty.String}},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		s, old, with := args[0].AsString(), args[1].AsString(), args[2].AsString()
		if len(old) > 1 && old[0] == '/' && old[len(old)-1] == '/' {
			re, err := regexp.Compile(old[1 : len(old)-1])
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgErrorf(1, "the pattern cannot be read: %s", err)
			}
			return cty.StringVal(re.ReplaceAllString(s, with)), nil
		}
		return cty.StringVal(strings.ReplaceAll(s, old, with)), nil
	},
})

// namespaces are those of RFC 9562 by name.
var namespaces = map[string]string{
	"dns":  "6ba7b8109dad11d180b400c04fd430c8",
	"url":  "6ba7b8119dad11d180b400c04fd430c8",
	"oid":  "6ba7b8129dad11d180b400c04fd430c8",
	"x500": "6ba7b8149dad11d180b400c04fd430c8",
}

// uuidV5Func makes a UUID of a namespace and a name in it: the same one for the same two.
var uuidV5Func = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "namespace", Type: cty.String}, {Name: "name", Type: cty.String}},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		space := args[0].AsString()
		digits, named := namespaces[space]
		if !named {
			digits = uuidDigits(space)
		}
		bytes, err := hex.DecodeString(digits)
		if err != nil || len(bytes) != 16 {
			return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "a namespace is dns, url, oid, x500 or a UUID")
		}
		h := sha1.New()
		h.Write(bytes)
		h.Write([]byte(args[1].AsString()))
		return cty.StringVal(uuidText([16]byte(h.Sum(nil)[:16]), 5)), nil
	},
})

// uuidDigits are the digits of a UUID in one of its forms; "" for what is none.
func uuidDigits(s string) string {
	s = strings.ToLower(s)
	if len(s) == 32 {
		return s
	}
	s = strings.TrimPrefix(s, "urn:uuid:")
	if len(s) == 38 && s[0] == '{' && s[37] == '}' {
		s = s[1:37]
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ""
	}
	return strings.ReplaceAll(s, "-", "")
}
