package value_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dstackai/dstack-planner/schema/value"
)

func TestEveryExampleIsAccepted(t *testing.T) {
	for _, k := range value.All() {
		for _, form := range k.Grammar.Forms {
			t.Run(k.Grammar.Name+"/"+form.Example, func(t *testing.T) {
				v := eval(t, form.Example)
				into := k.New()
				require.NoError(t, into.UnmarshalCty(v))
				require.NotEmpty(t, form.Meaning)
				if strings.Contains(form.Example, "volume.data[") {
					return // to an editor, which sees JSON, a reference is a string
				}
				requireSchema(t, k.Grammar.Schema, v)
			})
		}
	}
}

func TestEveryGrammarIsDescribed(t *testing.T) {
	names := map[string]bool{}
	for _, k := range value.All() {
		require.False(t, names[k.Grammar.Name], "%s is there twice", k.Grammar.Name)
		names[k.Grammar.Name] = true
		require.True(t, strings.HasSuffix(k.Grammar.Summary, "."), k.Grammar.Name)
		require.NotEmpty(t, k.Grammar.Forms, k.Grammar.Name)
		_, err := json.Marshal(k.Grammar.Schema)
		require.NoError(t, err)
		require.False(t, k.New() == k.New(), "each value is a new one")
	}
}

// A grammar that is not in the list would be missing from the reference pages.
func TestEveryGrammarIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, k := range value.All() {
		listed[reflect.TypeOf(k.New()).Elem().Name()] = true
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	declared := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "Grammar" {
				declared[f.Recv.List[0].Type.(*ast.Ident).Name] = true
			}
		}
	}
	require.Equal(t, declared, listed)
}

// An editor must not underline what the grammar accepts.
func TestSchemasAcceptWhatGrammarsAccept(t *testing.T) {
	for name, rows := range tables() {
		k := kindNamed(t, name)
		for sentence, row := range rows {
			if row.err != "" || row.text == "" && row.hcl == "" {
				continue
			}
			t.Run(name+"/"+sentence, func(t *testing.T) {
				v := cty.StringVal(row.text)
				if row.hcl != "" {
					v = eval(t, row.hcl)
				}
				if strings.Contains(row.hcl, "volume.data") {
					return
				}
				requireSchema(t, k.Grammar.Schema, v)
			})
		}
	}
}

// An editor should underline most of what the grammar refuses; here is what it must.
func TestSchemasRefuseMistakes(t *testing.T) {
	for _, row := range []struct{ grammar, hcl string }{
		{"Duration", `"1h30m"`}, {"Duration", `"5y"`}, {"Duration", `-1`}, {"Duration", `true`},
		{"Memory", `"16XB"`}, {"Memory", `"nan"`}, {"Memory", `-1`}, {"Memory", `"1.2.3GB"`},
		{"Memory range", `".."`}, {"Memory range", `"1..2..3"`}, {"Memory range", `"16Gi.."`}, {"Memory range", `{ mim = 1 }`},
		{"Count range", `2.5`}, {"Count range", `"-1.."`}, {"Disk size", `{ sise = 1 }`},
		{"GPU", `"A100/2"`}, {"GPU", `{ names = "A100" }`}, {"GPU", `1.5`}, {"Compute capability", `"8"`}, {"Compute capability", `[8]`},
		{"Port mapping", `0`}, {"Port mapping", `"1:2:3"`}, {"Service port", `"*:80"`}, {"Service port", `{ local_port = 80 }`},
		{"Environment", `{ "A-B" = "1" }`}, {"Environment", `["A-B=1"]`}, {"Environment", `{ A = [] }`},
		{"Mount", `"data"`}, {"Mount", `"data:data"`}, {"Mount", `"a:/b:ro"`}, {"Mount", `{ name = "a", path = "/b", read_only = true }`},
		{"Unix user", `"a:b:c"`}, {"Unix user", `":a"`}, {"Unix user", `-1`},
		{"Spot policy", `"Spot"`}, {"Retry policy", `{ on_events = [] }`}, {"Retry policy", `{ on_events = ["spot"] }`},
		{"Creation policy", `"create"`}, {"Placement", `"near"`}, {"Replicas", `"3.."`}, {"Replicas", `{ min = 1 }`},
		{"Blocks", `2.5`}, {"Blocks", `0`}, {"Blocks", `"00"`}, {"Name", `"my_fleet"`}, {"Name", `"a"`}, {"Price", `0`}, {"Price", `"$2"`},
	} {
		t.Run(row.grammar+"/"+row.hcl, func(t *testing.T) {
			v := eval(t, row.hcl)
			k := kindNamed(t, row.grammar)
			require.Error(t, k.New().UnmarshalCty(v), "the grammar refuses it")
			require.False(t, matches(k.Grammar.Schema, plain(t, v)), "the schema refuses it")
		})
	}
}

// tables are the tables of all grammars by the grammar's name.
func tables() map[string]map[string]reading {
	return map[string]map[string]reading{
		"Duration": durationRows(), "Duration or off": offDurationRows(), "Idle duration": idleDurationRows(),
		"Memory": memoryRows(), "Memory range": memoryRangeRows(), "Count range": intRangeRows(), "Disk size": diskRows(),
		"GPU": gpuRows(), "Compute capability": computeRows(),
		"Port mapping": portRows(), "Service port": servicePortRows(), "Environment": envRows(), "Mount": mountRows(),
		"Unix user": userRows(), "Spot policy": spotRows(), "Retry policy": retryRows(), "Creation policy": creationRows(),
		"Placement": placementRows(), "Replicas": replicaRows(), "Blocks": blockRows(), "Name": nameRows(), "Price": priceRows(),
	}
}

func TestEveryGrammarHasATable(t *testing.T) {
	for _, k := range value.All() {
		require.NotEmpty(t, tables()[k.Grammar.Name], k.Grammar.Name)
	}
}

func kindNamed(t testing.TB, name string) value.Kind {
	t.Helper()
	for _, k := range value.All() {
		if k.Grammar.Name == name {
			return k
		}
	}
	t.Fatalf("no grammar is called %q", name)
	return value.Kind{}
}

func requireSchema(t testing.TB, s value.Schema, v cty.Value) {
	t.Helper()
	require.True(t, matches(s, plain(t, v)), "the schema accepts %#v", v)
}

// plain is a value as an editor sees it; a null attribute is not there.
func plain(t testing.TB, v cty.Value) any {
	t.Helper()
	raw, err := ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
	require.NoError(t, err)
	var out any
	require.NoError(t, json.Unmarshal(raw, &out))
	return withoutNulls(out)
}

func withoutNulls(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, e := range m {
		if m[k] = withoutNulls(e); e == nil {
			delete(m, k)
		}
	}
	return m
}

// matches is as much of JSON Schema as the grammars use. It panics on a keyword that it does not know.
func matches(s value.Schema, v any) bool {
	for keyword, rule := range s {
		ok := false
		switch keyword {
		case "anyOf":
			ok = slices.ContainsFunc(rule.([]value.Schema), func(s value.Schema) bool { return matches(s, v) })
		case "type":
			types, several := rule.([]string)
			if !several {
				types = []string{rule.(string)}
			}
			ok = slices.ContainsFunc(types, func(name string) bool { return isType(name, v) })
		case "enum":
			text, isText := v.(string)
			ok = isText && slices.Contains(rule.([]string), text)
		case "pattern":
			text, isText := v.(string)
			ok = !isText || compiled(rule.(string)).MatchString(text)
		case "minimum":
			n, isNumber := v.(float64)
			ok = !isNumber || n >= number(rule)
		case "exclusiveMinimum":
			n, isNumber := v.(float64)
			ok = !isNumber || n > number(rule)
		case "maximum":
			n, isNumber := v.(float64)
			ok = !isNumber || n <= number(rule)
		case "items":
			list, isList := v.([]any)
			ok = !isList || !slices.ContainsFunc(list, func(e any) bool { return !matches(rule.(value.Schema), e) })
		case "minItems":
			list, isList := v.([]any)
			ok = !isList || len(list) >= rule.(int)
		case "maxItems":
			list, isList := v.([]any)
			ok = !isList || len(list) <= rule.(int)
		case "required", "properties", "additionalProperties", "propertyNames":
			m, isObject := v.(map[string]any)
			ok = !isObject || matchesObject(s, keyword, rule, m)
		default:
			panic(fmt.Sprintf("the test knows no keyword %q", keyword))
		}
		if !ok {
			return false
		}
	}
	return true
}

// compiled compiles a pattern once, because the fuzz targets match a great many texts.
func compiled(pattern string) *regexp.Regexp {
	if re, ok := patterns.Load(pattern); ok {
		return re.(*regexp.Regexp)
	}
	re := regexp.MustCompile(pattern)
	patterns.Store(pattern, re)
	return re
}

var patterns sync.Map

func matchesObject(s value.Schema, keyword string, rule any, m map[string]any) bool {
	properties, _ := s["properties"].(map[string]value.Schema)
	switch keyword {
	case "required":
		return !slices.ContainsFunc(rule.([]string), func(name string) bool { _, ok := m[name]; return !ok })
	case "propertyNames":
		for name := range m {
			if !matches(rule.(value.Schema), name) {
				return false
			}
		}
	case "properties":
		for name, sub := range properties {
			if e, ok := m[name]; ok && !matches(sub, e) {
				return false
			}
		}
	case "additionalProperties":
		for name, e := range m {
			if _, known := properties[name]; known {
				continue
			}
			if sub, ok := rule.(value.Schema); !ok || !matches(sub, e) {
				return false
			}
		}
	}
	return true
}

func isType(name string, v any) bool {
	switch v := v.(type) {
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && v == math.Trunc(v)
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}

func number(rule any) float64 {
	if n, ok := rule.(int); ok {
		return float64(n)
	}
	return rule.(float64)
}
