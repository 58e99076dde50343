package veil

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/diff"
	"github.com/dstackai/dstack-planner/schema"
)

// Shortest is the length in bytes below which a secret is not looked for: a word such as "admin" would be found where it is none.
const Shortest = 8

// instead stands in the place of a secret.
const instead = "(sensitive)"

// Veil finds secrets as they are, and as JSON, literals, addresses, base64 and hex have them. The zero value finds none. It is safe
// for concurrent use.
type Veil struct{ forms []string }

// New is a veil for secrets. Those that are shorter than Shortest are left out.
func New(secrets ...string) Veil { return Veil{}.And(secrets...) }

// And is v for more secrets.
func (v Veil) And(secrets ...string) Veil {
	seen := make(map[string]bool, len(v.forms))
	for _, form := range v.forms {
		seen[form] = true
	}
	out := Veil{forms: slices.Clone(v.forms)}
	add := func(form string) {
		if len(form) >= Shortest && !seen[form] {
			seen[form] = true
			out.forms = append(out.forms, form)
		}
	}
	for _, s := range secrets {
		if len(s) < Shortest || seen[s] {
			continue
		}
		add(s)
		quoted, _ := json.Marshal(s) // a text is always JSON
		add(strings.Trim(string(quoted), `"`))
		add(strings.Trim(fmt.Sprintf("%q", s), `"`))
		add(url.QueryEscape(s))
		add(url.PathEscape(s))
		add(hex.EncodeToString([]byte(s)))
		for i := range 3 { // wherever it stands in what is encoded; the characters at its ends depend on its neighbours
			for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
				text := enc.EncodeToString([]byte(strings.Repeat("x", i) + s))
				add(text[4 : len(text)-4])
			}
		}
	}
	// The longest first: what is part of another form must not leave the rest of it.
	slices.SortStableFunc(out.forms, func(a, b string) int { return len(b) - len(a) })
	return out
}

// Secrets are the texts in a value that are marked as secrets, or that stand at one of the paths or below.
func Secrets(v cty.Value, paths ...string) []string {
	var out []string
	diff.Leaves(v, func(path string, leaf cty.Value) {
		plain, marks := leaf.Unmark()
		_, secret := marks[schema.SensitiveMark]
		secret = secret || slices.ContainsFunc(paths, func(p string) bool { return diff.Under(path, p) })
		if secret && isText(plain) {
			out = append(out, plain.AsString())
		}
	})
	return out
}

func isText(v cty.Value) bool { return v.IsKnown() && !v.IsNull() && v.Type() == cty.String }

// holds tells whether a text has a secret in it.
func (v Veil) holds(text string) bool {
	return slices.ContainsFunc(v.forms, func(form string) bool { return strings.Contains(text, form) })
}

// Text is a text without secrets.
func (v Veil) Text(text string) string {
	for _, form := range v.forms {
		text = strings.ReplaceAll(text, form, instead)
	}
	return text
}

// Value is a value that a provider returned, without secrets in its texts. A text that is asked for as it is stays: it
// is hidden by its path, or no secret there. So do a status and its reason, which are words of ours. asked may be null.
func (v Veil) Value(got, asked cty.Value) (cty.Value, error) {
	if len(v.forms) == 0 || got == cty.NilVal || got.IsNull() {
		return got, nil
	}
	type found struct {
		path string
		text string
	}
	var all []found
	diff.Leaves(got, func(path string, leaf cty.Value) {
		plain, _ := leaf.Unmark()
		if !isText(plain) || !v.holds(plain.AsString()) {
			return
		}
		name := path
		if i := strings.IndexAny(path, ".["); i >= 0 {
			name = path[:i]
		}
		if name == "status" || name == "reason" {
			return
		}
		if asked != cty.NilVal {
			if want, ok := diff.Get(asked, path); ok {
				if want, _ := want.Unmark(); want.RawEquals(plain) {
					return
				}
			}
		}
		all = append(all, found{path, v.Text(plain.AsString())})
	})
	for _, f := range all {
		var err error
		if got, err = diff.Set(got, f.path, cty.StringVal(f.text)); err != nil {
			return got, err
		}
	}
	return got, nil
}
