package config

import (
	"bytes"
	"compress/gzip"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/crypto/ssh"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
)

var (
	base64EncodeFunc = textFunc("str", func(s string) (string, error) { return base64Text([]byte(s)), nil })
	base64DecodeFunc = textFunc("str", func(s string) (string, error) {
		raw, err := fromBase64(s)
		if err == nil && !utf8.Valid(raw) {
			err = function.NewArgErrorf(0, "what it stands for is no UTF-8 text")
		}
		return string(raw), err
	})
	urlEncodeFunc = textFunc("str", func(s string) (string, error) { return url.QueryEscape(s), nil })

	// base64GzipFunc packs a text. It is flushed before its end, so that the bytes are those that Terraform gives for
	// what is compared somewhere, such as the user data of a machine.
	base64GzipFunc = textFunc("str", func(s string) (string, error) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := w.Write([]byte(s))
		err = errors.Join(err, w.Flush(), w.Close())
		return base64Text(b.Bytes()), err
	})
)

// fromBase64 reads the first argument of a function.
func fromBase64(s string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, function.NewArgErrorf(0, "it is no Base64")
	}
	return raw, nil
}

// encodingFunc makes a function of a text and the name of an encoding, as IANA lists them.
func encodingFunc(param string, f func(s string, e encoding.Encoding, name string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: param, Type: cty.String}, {Name: "encoding", Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[1].AsString()
			e, err := ianaindex.IANA.Encoding(name)
			if err != nil || e == nil {
				return cty.UnknownVal(cty.String), function.NewArgErrorf(1, "%q is no encoding that is known here; names are those that IANA lists, such as UTF-16LE or ISO-8859-1", name)
			}
			text, err := f(args[0].AsString(), e, name)
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			return cty.StringVal(text), nil
		},
	})
}

var (
	textEncodeFunc = encodingFunc("string", func(s string, e encoding.Encoding, name string) (string, error) {
		raw, err := e.NewEncoder().Bytes([]byte(s))
		if err != nil {
			return "", function.NewArgErrorf(0, "it has characters that %s has not", name)
		}
		return base64Text(raw), nil
	})
	textDecodeFunc = encodingFunc("source", func(s string, e encoding.Encoding, name string) (string, error) {
		raw, err := fromBase64(s)
		if err != nil {
			return "", err
		}
		text, err := e.NewDecoder().Bytes(raw)
		if err != nil || bytes.Contains(text, []byte(string(utf8.RuneError))) { // it stands for what could not be read
			return "", function.NewArgErrorf(0, "it is no text in %s", name)
		}
		return string(text), nil
	})
)

// rsaDecryptFunc decrypts what was encrypted with the public half of a key, as some clouds do with a first password.
var rsaDecryptFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "ciphertext", Type: cty.String}, {Name: "privatekey", Type: cty.String}},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		secret, err := fromBase64(args[0].AsString())
		if err != nil {
			return cty.UnknownVal(cty.String), err
		}
		key, err := rsaKey(args[1].AsString())
		if err != nil {
			return cty.UnknownVal(cty.String), function.NewArgError(1, err)
		}
		//lint:ignore SA1019 it is what the function is for: passwords of machines come in this form
		text, err := rsa.DecryptPKCS1v15(nil, key, secret)
		if err != nil {
			return cty.UnknownVal(cty.String), function.NewArgErrorf(0, "this key does not decrypt it")
		}
		return cty.StringVal(string(text)), nil
	},
})

func rsaKey(text string) (*rsa.PrivateKey, error) {
	key, err := ssh.ParseRawPrivateKey([]byte(text))
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return nil, errors.New("the key has a passphrase, and one without is needed")
	}
	if err != nil {
		return nil, errors.New("it is no private key in PEM form")
	}
	if key, ok := key.(*rsa.PrivateKey); ok {
		return key, nil
	}
	return nil, fmt.Errorf("it is a key of another kind, and an RSA key is needed")
}
