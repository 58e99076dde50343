package modsource

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSensitive(t *testing.T) {
	for text, want := range map[string]bool{
		"./modules/net":                                         false,
		"github.com/a/b//c?ref=v1":                              false,
		"git::https://example.com/a.git":                        false,
		"git@github.com:a/b.git":                                false,
		"git::ssh://git@example.com/a.git":                      false,
		"nonsense":                                              false,
		"git::https://me:pw@example.com/a":                      true,
		"https://token@github.com/a/b":                          true,
		"ssh://git:pw@example.com/a.git":                        true,
		"git:pw@example.com:a.git":                              true,
		"gopher://token@example.com":                            true,
		"https://example.com/a.git?token=abc":                   true,
		"github.com/a/b#v1.2.0":                                 false,
		"github.com/a/b?version=1.0":                            false,
		"https://example.com/a.git?ghp_0123456789":              true,
		"https://example.com/a.git?x=0123456789abcdef":          true,
		"https://example.com/a.git?ref=me:pw@x":                 true,
		"https://example.com/a.git?X-Sig=abc":                   true,
		"https://example.com/a.git?ref=a&key=b":                 true,
		"https://example.com/a.git#0123456789abcdef":            true,
		" https://token@example.com/ a":                         true,
		"ghp_0123456789abcdef0123456789abcdef0123@github.com/a": true,
	} {
		require.Equal(t, want, Sensitive(text), text)
	}
}
