package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/schema"
)

// goodCalls has arguments with which each function has an answer.
var goodCalls = map[string]string{
	"abs": `-1.5`, "abspath": `"/a"`, "alltrue": `[true, true]`, "anytrue": `[false, true]`, "base64decode": `"YQ=="`,
	"base64encode": `"a"`, "base64gzip": `"a"`, "base64sha256": `"a"`, "base64sha512": `"a"`, "basename": `"/a/b"`,
	"bcrypt": `"a", 4`, "can": `"a"`, "ceil": `1.2`, "chomp": `"a\n"`, "chunklist": `["a", "b"], 1`, "cidrhost": `"10.0.0.0/8", 5`,
	"cidrnetmask": `"10.0.0.0/8"`, "cidrsubnet": `"10.0.0.0/8", 8, 1`, "cidrsubnets": `"10.0.0.0/8", 8, 8`, "coalesce": `"a", "b"`,
	"coalescelist": `["a"], ["b"]`, "compact": `["a", ""]`, "concat": `["a"], ["b"]`, "contains": `["a", "b"], "b"`,
	"csvdecode": `"a,b\n1,2"`, "dirname": `"/a/b"`, "distinct": `["a", "a"]`, "element": `["a", "b"], 1`, "endswith": `"ab", "b"`,
	"ephemeralasnull": `"a"`, "file": `"hello.txt"`, "filebase64": `"hello.txt"`, "filebase64sha256": `"hello.txt"`,
	"filebase64sha512": `"hello.txt"`, "fileexists": `"hello.txt"`, "filemd5": `"hello.txt"`, "fileset": `".", "*.txt"`,
	"filesha1": `"hello.txt"`, "filesha256": `"hello.txt"`, "filesha512": `"hello.txt"`, "flatten": `[["a"], ["b"]]`, "floor": `1.8`,
	"format": `"a-%s", "b"`, "formatdate": `"YYYY", "2026-11-23T00:00:00Z"`, "formatlist": `"a-%s", ["b", "c"]`, "indent": `2, "a\nb"`,
	"index": `["a", "b"], "b"`, "issensitive": `"a"`, "join": `",", ["a", "b"]`, "jsondecode": `"[1]"`, "jsonencode": `{ a = 1 }`,
	"keys": `{ b = 1, a = 2 }`, "length": `["a", "b"]`, "log": `16, 2`, "lookup": `{ a = 1, b = 2 }, "a", 3`, "lower": `"A"`,
	"matchkeys": `["a", "b"], ["x", "y"], ["y"]`, "max": `1, 2`, "md5": `"a"`, "merge": `{ a = 1 }, { b = 2 }`, "min": `1, 2`,
	"nonsensitive": `"a"`, "one": `["a"]`, "parseint": `"ff", 16`, "pathexpand": `"/a"`, "plantimestamp": ``, "pow": `2, 3`,
	"range": `1, 5, 2`, "regex": `"[a-z]+", "1ab2"`, "regexall": `"[a-z]", "a1b"`, "replace": `"abc", "b", "x"`, "reverse": `["a", "b"]`,
	"rsadecrypt": `"", ""`, "sensitive": `"a"`, "setintersection": `["a", "b"], ["b"]`, "setproduct": `["a"], ["b", "c"]`,
	"setsubtract": `["a", "b"], ["b"]`, "setunion": `["a"], ["b"]`, "sha1": `"a"`, "sha256": `"a"`, "sha512": `"a"`, "signum": `-3`,
	"slice": `["a", "b", "c"], 0, 2`, "sort": `["b", "a"]`, "split": `",", "a,b"`, "startswith": `"ab", "a"`, "strcontains": `"abc", "b"`,
	"strlen": `"abc"`, "strrev": `"abc"`, "substr": `"abc", 0, 2`, "sum": `[1, 2]`, "templatefile": `"value.tpl", { value = "x" }`,
	"templatestring": `"a", {}`, "textdecodebase64": `"YQ==", "UTF-8"`, "textencodebase64": `"a", "UTF-8"`,
	"timeadd": `"2026-11-23T00:00:00Z", "1h"`, "timecmp": `"2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"`, "timestamp": ``, "title": `"a b"`,
	"tobool": `"true"`, "tolist": `["a", "b"]`, "tomap": `{ a = "x" }`, "tonumber": `"1"`, "toset": `["b", "a"]`, "tostring": `1`,
	"transpose": `{ a = ["x"] }`, "trim": `"-a-", "-"`, "trimprefix": `"ab", "a"`, "trimspace": `" a "`, "trimsuffix": `"ab", "b"`,
	"try": `"a", "b"`, "upper": `"a"`, "urlencode": `"a b"`, "uuid": ``, "uuidv5": `"dns", "a"`, "values": `{ b = 1, a = 2 }`,
	"yamldecode": `"[1]"`, "yamlencode": `{ a = 1 }`, "zipmap": `["a"], [1]`,
}

// TestFunctionsOfUnknownArguments puts something unknown in the place of each argument of each function, and of the first part of
// each, and compares what is known of the answer with a golden file. Whatever that is, it must be true of the answer
// that the function gives once all is known.
func TestFunctionsOfUnknownArguments(t *testing.T) {
	c := callsOf(t)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(goodCalls)) {
		fmt.Fprintf(&b, "%s(%s)\n", name, goodCalls[name])
		args := c.args(t, name)
		full, err := c.call(name, args)
		if name != "rsadecrypt" { // for which there is a test of its own
			require.NoErrorf(t, err, name)
		}
		for i, arg := range args {
			for _, less := range unknownParts(arg) {
				with := slices.Clone(args)
				with[i] = less.v
				got, err := c.call(name, with)
				require.NoErrorf(t, err, "%s, argument %d %s", name, i+1, less.what)
				fmt.Fprintf(&b, "  argument %d %s: %#v\n", i+1, less.what, got)
				if err := trueOf(got, full); err != nil && name != "rsadecrypt" {
					t.Errorf("%s(%s) with argument %d %s: %v", name, goodCalls[name], i+1, less.what, err)
				}
			}
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(functions(".", nil))), slices.Collect(maps.Keys(goodCalls)))

	const path = "testdata/unknown.golden"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), b.String()))
}

// TestFunctionsOfSensitiveArguments marks each argument of each function, and the first part of each: what could show
// anything of it must be marked.
func TestFunctionsOfSensitiveArguments(t *testing.T) {
	// openly lists answers that are made of what is not sensitive, or that are asked for in the open, by argument.
	openly := map[string]string{
		"element 1 part": "the other element",
		"issensitive":    "whether it is sensitive is no secret",
		"keys 1 part":    "keys are not sensitive where a value is",
		"lookup 3":       "it was not needed",
		"nonsensitive":   "that is what it is for",
		"can":            "whether it has a value is no secret",
		"try 2":          "it was not needed",
	}
	c := callsOf(t)
	used := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(goodCalls)) {
		if name == "rsadecrypt" {
			continue
		}
		args := c.args(t, name)
		for i, arg := range args {
			for _, marked := range []struct {
				what, key string
				v         cty.Value
			}{
				{"sensitive", fmt.Sprintf("%s %d", name, i+1), arg.Mark(schema.SensitiveMark)},
				{"sensitive in part", fmt.Sprintf("%s %d part", name, i+1), inPart(arg, func(v cty.Value) cty.Value { return v.Mark(schema.SensitiveMark) })},
				{"sensitive and unknown", fmt.Sprintf("%s %d", name, i+1), cty.UnknownVal(arg.Type()).Mark(schema.SensitiveMark)},
				{"sensitive, unknown and of any type", fmt.Sprintf("%s %d", name, i+1), cty.DynamicVal.Mark(schema.SensitiveMark)},
			} {
				if marked.v == cty.NilVal {
					continue
				}
				with := slices.Clone(args)
				with[i] = marked.v
				got, err := c.call(name, with)
				require.NoErrorf(t, err, "%s, argument %d %s", name, i+1, marked.what)
				_, expected := openly[marked.key]
				if !expected {
					_, expected = openly[name]
					marked.key = name
				}
				if expected && !got.ContainsMarked() {
					used[marked.key] = true
				}
				if !expected && !got.ContainsMarked() {
					t.Errorf("%s(%s) with argument %d %s is not sensitive: %#v", name, goodCalls[name], i+1, marked.what, got)
				}
			}
		}
	}
	for key := range openly {
		if !used[key] {
			t.Errorf("%s needs no exception", key)
		}
	}
}

// caller calls functions as expressions do.
type caller struct{ functions *hcl.EvalContext }

func callsOf(t *testing.T) caller {
	t.Helper()
	c := load(t, "locals {\n}\n")
	c.Dir = tableDir
	return caller{&hcl.EvalContext{Functions: functions(tableDir, &calls{config: c})}}
}

// args are the arguments of a good call.
func (c caller) args(t *testing.T, name string) []cty.Value {
	t.Helper()
	expr, ds := hclsyntax.ParseExpression([]byte("["+goodCalls[name]+"]"), name, hcl.InitialPos)
	require.False(t, ds.HasErrors(), ds)
	v, ds := expr.Value(nil)
	require.False(t, ds.HasErrors(), ds)
	return v.AsValueSlice()
}

func (c caller) call(name string, args []cty.Value) (cty.Value, error) {
	ctx := c.functions.NewChild()
	ctx.Variables = map[string]cty.Value{}
	var names []string
	for i, v := range args {
		n := fmt.Sprintf("arg%d", i+1)
		names, ctx.Variables[n] = append(names, n), v
	}
	expr, ds := hclsyntax.ParseExpression([]byte(name+"("+strings.Join(names, ", ")+")"), name, hcl.InitialPos)
	if ds.HasErrors() {
		return cty.NilVal, ds
	}
	v, ds := expr.Value(ctx)
	if ds.HasErrors() {
		return v, ds
	}
	return unanswered(v), nil
}

// less is a value of which less is known.
type less struct {
	what string
	v    cty.Value
}

// unknownParts are values of which less is known than of v.
func unknownParts(v cty.Value) []less {
	out := []less{{"unknown", cty.UnknownVal(v.Type())}, {"of any type", cty.DynamicVal}}
	if v.Type() == cty.String && len(v.AsString()) > 1 {
		out = append(out, less{"known to begin", cty.UnknownVal(cty.String).Refine().StringPrefixFull(v.AsString()[:1]).NotNull().NewValue()})
	}
	if part := inPart(v, func(v cty.Value) cty.Value { return cty.UnknownVal(v.Type()) }); part != cty.NilVal {
		out = append(out, less{"unknown in part", part})
	}
	return out
}

// inPart changes the first part of a tuple or object; cty.NilVal for what has no parts.
func inPart(v cty.Value, change func(cty.Value) cty.Value) cty.Value {
	switch ty := v.Type(); {
	case ty.IsTupleType() && v.LengthInt() > 0:
		items := v.AsValueSlice()
		items[0] = change(items[0])
		return cty.TupleVal(items)
	case ty.IsObjectType() && v.LengthInt() > 0:
		attrs := v.AsValueMap()
		first := slices.Min(slices.Collect(maps.Keys(attrs)))
		attrs[first] = change(attrs[first])
		return cty.ObjectVal(attrs)
	}
	return cty.NilVal
}

// trueOf tells whether what is known of an answer is true of the whole one.
func trueOf(partly, full cty.Value) error {
	partly, _ = partly.Unmark()
	full, _ = full.Unmark()
	switch {
	case !partly.IsKnown():
		if !partly.Range().TypeConstraint().HasDynamicTypes() && !partly.Type().Equals(full.Type()) {
			return fmt.Errorf("its type is %#v, and that of the answer %#v", partly.Type(), full.Type())
		}
		if in := partly.Range().Includes(full); in.IsKnown() && in.False() {
			return fmt.Errorf("%#v cannot become %#v", partly, full)
		}
		return nil
	case partly.IsNull() || full.IsNull() || !partly.CanIterateElements():
		if !partly.RawEquals(full) {
			return fmt.Errorf("%#v is not %#v", partly, full)
		}
		return nil
	case partly.Type().IsSetType():
		return nil // its elements have no places
	case partly.LengthInt() != full.LengthInt():
		return fmt.Errorf("%#v has another length than %#v", partly, full)
	}
	for it, other := partly.ElementIterator(), full.ElementIterator(); it.Next() && other.Next(); {
		_, a := it.Element()
		_, b := other.Element()
		if err := trueOf(a, b); err != nil {
			return err
		}
	}
	return nil
}
