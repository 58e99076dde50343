package value

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// Env is a set of environment variables in the order in which they were written. A variable without a value is a
// reference: its value is taken from the environment of whoever runs the command.
//
// Its values may be secret. String and MarshalText show them; errors never do.
type Env struct {
	entries []EnvEntry
}

// EnvEntry is one variable.
type EnvEntry struct {
	Name  string
	Value string
	// Unresolved says that the value is to be taken from the environment.
	Unresolved bool
}

var envWords = words{"Environment",
	`It is a map of names and values ({ NAME = "value" }), or a list of "NAME=value", "NAME=" and "NAME", whose value is taken from the environment.`}

var envForms = forms[Env]{words: envWords, list: envFromList, object: envFromObject}

// ParseEnv reads a list of variables as JSON, `["NAME=value","NAME"]`, which is the text form of an environment.
func ParseEnv(text string) (Env, error) {
	var list []string
	if err := json.Unmarshal([]byte(text), &list); err != nil || list == nil {
		return Env{}, mistakeAt(0, len(text), "Environment is not a list",
			`The text form of an environment is a JSON list: ["NAME=value","NAME"].`)
	}
	return EnvOf(list...)
}

// EnvOf is the environment of entries "NAME=value", "NAME=" and "NAME". Without entries it is empty, but set.
func EnvOf(entries ...string) (Env, error) {
	env := Env{entries: make([]EnvEntry, 0, len(entries))}
	at := make(map[string]int, len(entries))
	for i, text := range entries {
		name, val, found := strings.Cut(text, "=")
		entry := EnvEntry{Name: name, Value: val, Unresolved: !found}
		if err := env.add(entry, at); err != nil {
			return Env{}, within(cty.IndexStep{Key: cty.NumberIntVal(int64(i))}, err)
		}
	}
	return env, nil
}

// EnvFromMap is the environment of a map, ordered by name.
func EnvFromMap(m map[string]string) (Env, error) {
	env := Env{entries: make([]EnvEntry, 0, len(m))}
	at := make(map[string]int, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if err := env.add(EnvEntry{Name: name, Value: m[name]}, at); err != nil {
			return Env{}, within(cty.IndexStep{Key: cty.StringVal(name)}, err)
		}
	}
	return env, nil
}

// Entries lists the variables in the order in which they were written.
func (e Env) Entries() []EnvEntry { return slices.Clone(e.entries) }

// Len is the number of variables.
func (e Env) Len() int { return len(e.entries) }

// Lookup is the value of a variable. It is false if there is none of that name or if it is unresolved.
func (e Env) Lookup(name string) (string, bool) {
	for _, entry := range e.entries {
		if entry.Name == name {
			return entry.Value, !entry.Unresolved
		}
	}
	return "", false
}

// Map is the variables that have values.
func (e Env) Map() map[string]string {
	m := make(map[string]string, len(e.entries))
	for _, entry := range e.entries {
		if !entry.Unresolved {
			m[entry.Name] = entry.Value
		}
	}
	return m
}

// Unresolved lists the names of the variables whose values are to be taken from the environment.
func (e Env) Unresolved() []string {
	var names []string
	for _, entry := range e.entries {
		if entry.Unresolved {
			names = append(names, entry.Name)
		}
	}
	return names
}

// Resolve takes the missing values from lookup, such as os.LookupEnv. If some are not there, the error names all.
func (e Env) Resolve(lookup func(name string) (string, bool)) (Env, error) {
	out := Env{entries: slices.Clone(e.entries)}
	var missing []string
	for i, entry := range out.entries {
		if !entry.Unresolved {
			continue
		}
		val, ok := lookup(entry.Name)
		if !ok {
			missing = append(missing, entry.Name)
			continue
		}
		if why := envValueProblem(val); why != "" {
			return Env{}, mistake("Environment variable has an invalid value",
				"The value of %s in the environment %s.", entry.Name, why)
		}
		out.entries[i] = EnvEntry{Name: entry.Name, Value: val}
	}
	if len(missing) > 0 {
		return Env{}, mistake("Environment variable is not set",
			"The configuration takes %s from the environment, where it is not set. Set it before the command, or write "+
				"its value as NAME=value.", strings.Join(missing, ", "))
	}
	return out, nil
}

// Merge is e with the variables of over, which win. Variables that e lacks come last.
func (e Env) Merge(over Env) Env {
	out := Env{entries: slices.Clone(e.entries)}
	if over.entries != nil && out.entries == nil {
		out.entries = []EnvEntry{}
	}
	at := make(map[string]int, len(out.entries))
	for i, entry := range out.entries {
		at[entry.Name] = i
	}
	for _, entry := range over.entries {
		if i, ok := at[entry.Name]; ok {
			out.entries[i] = entry
			continue
		}
		out.entries = append(out.entries, entry)
	}
	return out
}

// String is the text form: a JSON list in the order in which the variables were written.
func (e Env) String() string { return envText(e.entries) }

// Canonical is the text form ordered by name; the order of variables means nothing.
func (e Env) Canonical() string {
	sorted := slices.Clone(e.entries)
	slices.SortFunc(sorted, func(a, b EnvEntry) int { return strings.Compare(a.Name, b.Name) })
	return envText(sorted)
}

// IsZero reports whether the environment is unset; an empty list or map is set.
func (e Env) IsZero() bool { return e.entries == nil }

// Equal reports whether both have the same variables with the same values, in any order.
func (e Env) Equal(o Env) bool {
	return e.IsZero() == o.IsZero() && e.Canonical() == o.Canonical()
}

// MarshalText gives the text form.
func (e Env) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads the text form.
func (e *Env) UnmarshalText(text []byte) error { return decodeText(e, text, ParseEnv) }

// UnmarshalCty reads a list of "NAME=value", "NAME=" and "NAME", or an object or map of values; numbers and bools
// become strings.
func (e *Env) UnmarshalCty(v cty.Value) error { return decodeCty(e, v, envForms) }

// Grammar describes environments.
func (Env) Grammar() Grammar {
	return Grammar{
		Name:    "Environment",
		Summary: "Environment variables.",
		Forms: []Form{
			{`{ MODE = "train", STEPS = 100 }`, "two variables with values"},
			{`["MODE=train", "EMPTY=", "HF_TOKEN"]`, "one with a value, an empty one, and one whose value is taken from the environment"},
		},
		Schema: anyOf(
			Schema{
				"type": "object", "propertyNames": Schema{"pattern": `^[A-Za-z_][A-Za-z0-9_]*$`},
				"additionalProperties": Schema{"type": []string{"string", "number", "boolean"}},
			},
			listSchema(textSchema(`^[A-Za-z_][A-Za-z0-9_]*(=|$)`)),
			// The text form.
			textSchema(`^\s*\[`)),
	}
}

// add appends an entry; at has the places of those that are there.
func (e *Env) add(entry EnvEntry, at map[string]int) error {
	if why := envNameProblem(entry.Name); why != "" {
		return mistake("Environment variable has an invalid name",
			"%s %s. A name has letters, digits and underscores, and does not start with a digit.", quote(entry.Name), why)
	}
	if why := envValueProblem(entry.Value); why != "" {
		return mistake("Environment variable has an invalid value", "The value of %s %s.", entry.Name, why)
	}
	if first, ok := at[entry.Name]; ok {
		return mistake("Environment variable is set twice",
			"%s is entry %d and entry %d. Remove one of them.", entry.Name, first+1, len(e.entries)+1)
	}
	at[entry.Name] = len(e.entries)
	e.entries = append(e.entries, entry)
	return nil
}

func envNameProblem(name string) string {
	if name == "" {
		return "is no name"
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case isLetter(c) || c == '_':
		case isDigit(c) && i > 0:
		case isDigit(c):
			return "starts with a digit"
		default:
			_, size := utf8.DecodeRuneInString(name[i:])
			return "contains " + quote(name[i:i+size])
		}
	}
	return ""
}

func envValueProblem(val string) string {
	switch {
	case strings.IndexByte(val, 0) >= 0:
		return "contains a zero byte, which no environment can hold"
	case !utf8.ValidString(val):
		return "is not valid UTF-8"
	}
	return ""
}

func envText(entries []EnvEntry) string {
	if entries == nil {
		return ""
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	list := make([]string, len(entries))
	for i, entry := range entries {
		list[i] = entry.Name
		if !entry.Unresolved {
			list[i] += "=" + entry.Value
		}
	}
	if err := enc.Encode(list); err != nil {
		// Strings can always be encoded.
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func envFromList(items []cty.Value) (Env, error) {
	list, err := each(items, stringForms("Environment variable", envWords.accepts))
	if err != nil {
		return Env{}, err
	}
	return EnvOf(list...)
}

func envFromObject(o object) (Env, error) {
	plain := forms[string]{
		words:  words{"Environment variable", `Its value is a string, a number or a bool. To take it from the environment, write env as a list with its name alone: ["NAME"].`},
		text:   func(s string) (string, error) { return s, nil },
		number: func(s string) (string, error) { return s, nil },
		flag: func(on bool) (string, error) {
			if on {
				return "true", nil
			}
			return "false", nil
		},
	}
	m := make(map[string]string, len(o.attrs))
	for _, name := range slices.Sorted(maps.Keys(o.attrs)) {
		val, err := plain.read(o.attrs[name])
		if err != nil {
			return Env{}, within(cty.IndexStep{Key: cty.StringVal(name)}, err)
		}
		m[name] = val
	}
	return EnvFromMap(m)
}
