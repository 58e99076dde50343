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
	return textFunc("str", func(s string) (string, error) {
		h := algorithm()
		h.Write([]byte(s))
		return text(h.Sum(nil)), nil
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

// fileFunc makes a function that gives what is in a file, in some form.
func fileFunc(dir string, form func(path string, content []byte) (string, error)) function.Function {
	return textFunc("path", func(path string) (string, error) {
		content, err := readContent(dir, path)
		if err != nil {
			return "", err
		}
		return form(path, content)
	})
}

func asText(path string, content []byte) (string, error) {
	if !utf8.Valid(content) {
		return "", fmt.Errorf("%q is not UTF-8 text; filebase64 reads any file", path)
	}
	return string(content), nil
}

func asBase64(_ string, content []byte) (string, error) { return base64Text(content), nil }

func asHash(algorithm func() hash.Hash, text func([]byte) string) func(string, []byte) (string, error) {
	return func(_ string, content []byte) (string, error) {
		h := algorithm()
		h.Write(content)
		return text(h.Sum(nil)), nil
	}
}

func fileExistsFunc(dir string) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "path", Type: cty.String}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: refineNotNull,
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
	return textFunc("path", func(path string) (string, error) {
		full, err := absolutePath(dir, path)
		if err == nil {
			full, err = filepath.Abs(full)
		}
		return filepath.ToSlash(full), err
	})
}
