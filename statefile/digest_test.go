package statefile_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/statefile"
)

func TestWhatIsEncryptedIsReadByItsStateAlone(t *testing.T) {
	key, other := make([]byte, statefile.DigestKeySize), make([]byte, statefile.DigestKeySize)
	other[0] = 1
	hidden, err := statefile.Encrypt(key, "moment.seed", []byte("a secret"))
	require.NoError(t, err)
	require.NotContains(t, hidden, "secret")
	again, err := statefile.Encrypt(key, "moment.seed", []byte("a secret"))
	require.NoError(t, err)
	require.Equal(t, hidden, again, "two plans of the same inputs are equal")
	different, err := statefile.Encrypt(key, "moment.seed", []byte("b secret"))
	require.NoError(t, err)
	require.NotEqual(t, hidden[:16], different[:16], "no nonce is used for two secrets")

	got, err := statefile.Decrypt(key, "moment.seed", hidden)
	require.NoError(t, err)
	require.Equal(t, "a secret", string(got))

	raw, err := base64.StdEncoding.DecodeString(hidden)
	require.NoError(t, err)
	raw[len(raw)-1] ^= 1
	for name, read := range map[string]func() ([]byte, error){
		"another state": func() ([]byte, error) { return statefile.Decrypt(other, "moment.seed", hidden) },
		"another name":  func() ([]byte, error) { return statefile.Decrypt(key, "other", hidden) },
		"a bit is turned over": func() ([]byte, error) {
			return statefile.Decrypt(key, "moment.seed", base64.StdEncoding.EncodeToString(raw))
		},
		"it is cut off":   func() ([]byte, error) { return statefile.Decrypt(key, "moment.seed", hidden[:8]) },
		"it is no Base64": func() ([]byte, error) { return statefile.Decrypt(key, "moment.seed", "?") },
		"it is empty":     func() ([]byte, error) { return statefile.Decrypt(key, "moment.seed", "") },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read()
			require.ErrorContains(t, err, "decrypt ")
		})
	}
}
