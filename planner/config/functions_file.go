package config

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	homedir "github.com/mitchellh/go-homedir"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// The digests and text forms that functions are made of.
var (
	newMD5    = md5.New
	newSHA1   = sha1.New
	newSHA256 = sha256.New
	newSHA512 = sha512.New

	hexText    = hex.EncodeToString
	base64Text = base64.StdEncoding.EncodeToString
)

// hashFunc makes the function that gives the digest of a text.
func hashFunc(algorithm func() hash.Hash, text func([]byte) string) function.Function {
	return stringFunc("str", func(s string) (cty.Value, error) {
		h := algorithm()
		h.Write([]byte(s))
		return cty.StringVal(text(h.Sum(nil))), nil
	})
}

// stringFunc makes a function of one text that gives another.
func stringFunc(param string, f func(string) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: param, Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f(args[0].AsString()) },
	})
}

// absolutePath makes a path of the configuration one of the file system: relative ones start at the folder of the
// configuration, ~ is the home folder.
func absolutePath(dir, path string) (string, error) {
	path, err := homedir.Expand(path)
	if err != nil {
		return "", fmt.Errorf("~ cannot be resolved: %w", err)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path), nil
}

// readContent reads a file for a function.
func readContent(dir, path string) ([]byte, error) {
	full, err := absolutePath(dir, path)
	if err != nil {
		return nil, err
	}
	content, err := readFile(full)
	if err != nil {
		return nil, fmt.Errorf("%q cannot be read: %s; relative paths start at the folder of the configuration", path, reason(err))
	}
	return content, nil
}

func fileFunc(dir string, form func(path string, content []byte) (cty.Value, error)) function.Function {
	return stringFunc("path", func(path string) (cty.Value, error) {
		content, err := readContent(dir, path)
		if err != nil {
			return cty.UnknownVal(cty.String), err
		}
		return form(path, content)
	})
}

func asText(path string, content []byte) (cty.Value, error) {
	if !utf8.Valid(content) {
		return cty.UnknownVal(cty.String), fmt.Errorf("%q is not UTF-8 text; filebase64 reads any file", path)
	}
	return cty.StringVal(string(content)), nil
}

func asBase64(_ string, content []byte) (cty.Value, error) {
	return cty.StringVal(base64Text(content)), nil
}

func asHash(algorithm func() hash.Hash, text func([]byte) string) func(string, []byte) (cty.Value, error) {
	return func(_ string, content []byte) (cty.Value, error) {
		h := algorithm()
		h.Write(content)
		return cty.StringVal(text(h.Sum(nil))), nil
	}
}

func fileExistsFunc(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			full, err := absolutePath(dir, args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.Bool), err
			}
			info, err := os.Stat(full)
			if err != nil {
				return cty.BoolVal(false), nil
			}
			if !info.Mode().IsRegular() {
				return cty.UnknownVal(cty.Bool), fmt.Errorf("%q is there, but it is no file", args[0].AsString())
			}
			return cty.BoolVal(true), nil
		},
	})
}

func absPathFunc(dir string) function.Function {
	return stringFunc("path", func(path string) (cty.Value, error) {
		full, err := absolutePath(dir, path)
		if err == nil {
			full, err = filepath.Abs(full)
		}
		if err != nil {
			return cty.UnknownVal(cty.String), err
		}
		return cty.StringVal(filepath.ToSlash(full)), nil
	})
}

// templateFileFunc renders a file with the given variables, which must be all that it mentions.
func templateFileFunc(dir string, functions map[string]function.Function) function.Function {
	render := func(args []cty.Value) (cty.Value, error) {
		path, vars := args[0].AsString(), args[1]
		if ty := vars.Type(); !ty.IsObjectType() && !ty.IsMapType() || vars.IsNull() {
			return cty.DynamicVal, function.NewArgErrorf(1, "the variables are an object: { name = value }")
		}
		content, err := readContent(dir, path)
		if err != nil {
			return cty.DynamicVal, function.NewArgError(0, err)
		}
		if list := checkDepth(Source{Path: path, Text: content}); list != nil {
			return cty.DynamicVal, function.NewArgErrorf(0, "%s", list[0].Detail)
		}
		expr, ds := hclsyntax.ParseTemplate(content, path, hcl.InitialPos)
		if ds.HasErrors() {
			return cty.DynamicVal, function.NewArgErrorf(0, "%s", templateProblem(path, ds[0]))
		}
		ctx := &hcl.EvalContext{Functions: functions, Variables: vars.AsValueMap()}
		for _, t := range expr.Variables() {
			if _, ok := ctx.Variables[t.RootName()]; !ok {
				return cty.DynamicVal, function.NewArgErrorf(1, "%s mentions %q, which is not among the variables", place(t.SourceRange()), t.RootName())
			}
		}
		v, ds := expr.Value(ctx)
		if ds.HasErrors() {
			return cty.DynamicVal, function.NewArgErrorf(0, "%s", templateProblem(path, ds[0]))
		}
		return v, nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "vars", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() || !args[1].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			v, err := render(args)
			return v.Type(), err
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return render(args) },
	})
}

func templateProblem(path string, d *hcl.Diagnostic) string {
	if d.Subject != nil {
		return fmt.Sprintf("%s: %s", place(*d.Subject), d.Detail)
	}
	return path + ": " + d.Detail
}
