package veil_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/planner/veil"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

const secret = `hf_S3CR3T<"&/ +`

func TestSecretsAreFoundHoweverTheyAreWritten(t *testing.T) {
	quoted, err := json.Marshal(secret)
	require.NoError(t, err)
	v := veil.New("", "short", secret, secret)
	for name, text := range map[string]string{
		"as it is": secret, "in JSON": string(quoted), "in a literal": fmt.Sprintf("%q", secret), "in a query": url.QueryEscape(secret), "in a path": url.PathEscape(secret),
		"in hex": fmt.Sprintf("%x", secret), "in base64": base64.StdEncoding.EncodeToString([]byte("user:" + secret + "@host")), "in base64 of addresses": base64.URLEncoding.EncodeToString([]byte("xy" + secret + "z")),
	} {
		t.Run(name, func(t *testing.T) {
			out := v.Text("before " + text + " after " + text)
			require.Contains(t, out, "(sensitive)")
			require.NotContains(t, out, "hf_S3CR3T")
			require.NotContains(t, out, text)
			require.Contains(t, out, "before ")
			require.Contains(t, out, " after ")
		})
	}
	require.Equal(t, "a short word", v.Text("a short word"))
	require.Equal(t, "(sensitive) and (sensitive)", veil.New("password-1").And("password-12").Text("password-12 and password-1"), "the longer one first")
	require.Equal(t, "text", veil.Veil{}.Text("text"))
}

func TestValuesKeepWhatWasAskedFor(t *testing.T) {
	object := func(name, location, status string, tags map[string]cty.Value) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal(name), "location": cty.StringVal(location), "status": cty.StringVal(status), "zone": cty.NullVal(cty.String), "size": cty.NumberIntVal(3), "env": cty.MapVal(tags),
		})
	}
	text := cty.StringVal
	v := veil.New("S3CR3T-TEXT")
	got := object("the S3CR3T-TEXT", "https://x/?key=S3CR3T-TEXT", "S3CR3T-TEXT", map[string]cty.Value{"A": text("S3CR3T-TEXT"), "B": text("of S3CR3T-TEXT")})
	asked := object("the S3CR3T-TEXT", "", "", map[string]cty.Value{"A": text("S3CR3T-TEXT").Mark(schema.SensitiveMark), "B": text("other")})
	out, err := v.Value(got, asked)
	require.NoError(t, err)
	require.True(t, out.RawEquals(object("the S3CR3T-TEXT", "https://x/?key=(sensitive)", "S3CR3T-TEXT", map[string]cty.Value{"A": text("S3CR3T-TEXT"), "B": text("of (sensitive)")})), "%#v", out)

	out, err = v.Value(got, cty.NilVal)
	require.NoError(t, err)
	require.Equal(t, "the (sensitive)", out.GetAttr("name").AsString())
	for name, same := range map[string]cty.Value{"nothing": cty.NilVal, "null": cty.NullVal(got.Type()), "without a secret": object("a", "b", "c", map[string]cty.Value{"A": cty.UnknownVal(cty.String)})} {
		out, err := v.Value(same, asked)
		require.NoError(t, err, name)
		require.Equal(t, same, out, name)
	}
	require.Equal(t, []string{"S3CR3T-TEXT"}, veil.Secrets(asked))
	require.Equal(t, []string{"of S3CR3T-TEXT"}, veil.Secrets(got, `env["B"]`, "size"))
}

func TestErrorsStayWhatTheyAre(t *testing.T) {
	v := veil.New("S3CR3T-TEXT")
	said := &providers.Error{Kind: providers.Auth, Message: "bad key S3CR3T-TEXT", Code: "S3CR3T-TEXT", RetryAfter: 7, Cause: errors.New("S3CR3T-TEXT")}
	for name, err := range map[string]error{
		"of a provider": said, "around one": fmt.Errorf("open S3CR3T-TEXT: %w", said), "of two": errors.Join(context.Canceled, said),
	} {
		t.Run(name, func(t *testing.T) {
			out := v.Error(err)
			require.NotContains(t, out.Error(), "S3CR3T-TEXT")
			require.Contains(t, out.Error(), "bad key (sensitive)")
			require.Equal(t, providers.Auth, providers.KindOf(out))
			require.Equal(t, errors.Is(err, context.Canceled), errors.Is(out, context.Canceled))
			own, ok := errors.AsType[*providers.Error](out)
			require.True(t, ok)
			require.Equal(t, &providers.Error{Kind: providers.Auth, Message: "bad key (sensitive)", Code: "(sensitive)", RetryAfter: 7}, own)
			require.NotContains(t, fmt.Sprintf("%+v", errors.Unwrap(out)), "S3CR3T-TEXT")
		})
	}
	require.EqualError(t, v.Error(errors.New("of S3CR3T-TEXT")), "of (sensitive)")
	require.ErrorIs(t, v.Error(fmt.Errorf("S3CR3T-TEXT: %w", context.DeadlineExceeded)), context.DeadlineExceeded)
	plain := errors.New("nothing in it")
	require.Same(t, plain, v.Error(plain))
	require.NoError(t, v.Error(nil))
}
