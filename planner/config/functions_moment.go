package config

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	//lint:ignore SA1019 bcrypt is made of it
	"golang.org/x/crypto/blowfish"
)

// momentFunctions are the functions that are not pure, with their answers for one evaluation.
func momentFunctions(c *calls) map[string]function.Function {
	return map[string]function.Function{
		"bcrypt":        bcryptFunc(c),
		"plantimestamp": timestampFunc(c, "plantimestamp"),
		"timestamp":     timestampFunc(c, "timestamp"),
		"uuid":          uuidFunc(c),
	}
}

// timestampFunc makes the function that gives the time of the Moment.
func timestampFunc(c *calls, name string) function.Function {
	return function.New(&function.Spec{
		VarParam: siteParam,
		Type: func(args []cty.Value) (cty.Type, error) {
			return cty.String, noMore(args, 0, name+" takes no arguments")
		},
		RefineResult: refineNotNull,
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			return cty.StringVal(c.time().Format(time.RFC3339)), nil
		},
	})
}

// uuidFunc makes the function that gives a random UUID, of version 4.
func uuidFunc(c *calls) function.Function {
	return function.New(&function.Spec{
		VarParam: siteParam,
		Type: func(args []cty.Value) (cty.Type, error) {
			return cty.String, noMore(args, 0, "uuid takes no arguments; uuidv5 makes one of a namespace and a name")
		},
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			_, site := cutSite(args)
			b := c.random("uuid", site)
			return cty.StringVal(uuidText([16]byte(b[:16]), 4)), nil
		},
	})
}

// uuidText makes 16 bytes the text of a UUID of that version, RFC 9562.
func uuidText(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Costs of bcrypt: one more doubles the work. The highest takes some seconds; the algorithm would go on to 31, for a day.
const (
	defaultCost = 10
	lowestCost  = 4
	highestCost = 16
)

// bcryptFunc makes the function that hashes a password with a salt of the Moment.
func bcryptFunc(c *calls) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "str", Type: cty.String}},
		VarParam: &function.Parameter{Name: "cost", Type: cty.DynamicPseudoType, AllowDynamicType: true},
		Type: func(args []cty.Value) (cty.Type, error) {
			return cty.String, noMore(args, 2, "bcrypt takes a text and, if it is not to be 10, a cost")
		},
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			args, site := cutSite(args)
			cost := defaultCost
			if len(args) > 1 {
				n, err := wholeNumber(args[1])
				if err != nil || n > highestCost {
					return cty.UnknownVal(cty.String), function.NewArgErrorf(1, "the cost is a whole number from %d to %d", lowestCost, highestCost)
				}
				if n >= lowestCost { // bcrypt takes a lower one for none
					cost = n
				}
			}
			b := c.random("bcrypt", site)
			hash, err := bcryptHash(args[0].AsString(), [16]byte(b[:16]), cost)
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return cty.StringVal(hash), nil
		},
	})
}

// bcryptHash is bcrypt in its version 2a with a given salt, which the library of the same name does not take.
func bcryptHash(password string, salt [16]byte, cost int) (string, error) {
	if len(password) > 72 {
		return "", fmt.Errorf("bcrypt takes at most 72 bytes, and this text has %d", len(password))
	}
	key := append([]byte(password), 0)
	cipher, err := blowfish.NewSaltedCipher(key, salt[:])
	if err != nil {
		return "", err
	}
	for range uint64(1) << cost {
		blowfish.ExpandKey(key, cipher)
		blowfish.ExpandKey(salt[:], cipher)
	}
	sum := []byte("OrpheanBeholderScryDoubt")
	for at := 0; at < len(sum); at += blowfish.BlockSize {
		for range 64 {
			cipher.Encrypt(sum[at:], sum[at:])
		}
	}
	text := base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)
	return fmt.Sprintf("$2a$%02d$%s%s", cost, text.EncodeToString(salt[:]), text.EncodeToString(sum[:23])), nil
}
