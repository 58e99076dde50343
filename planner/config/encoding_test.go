package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/crypto/ssh"
)

func TestRSADecrypt(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	//lint:ignore SA1019 the function that is tested reads this kind of text
	secret, err := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte("the password"))
	require.NoError(t, err)
	text := cty.StringVal(base64.StdEncoding.EncodeToString(secret))

	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	openSSH, err := ssh.MarshalPrivateKey(key, "")
	require.NoError(t, err)
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("x"))
	require.NoError(t, err)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, curve, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	curved, err := ssh.MarshalPrivateKey(curve, "")
	require.NoError(t, err)

	pkcs1 := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	for name, tt := range map[string]struct {
		key  *pem.Block
		want string // of the error
	}{
		"a key in PKCS #1 form": {pkcs1, ""},
		"a key in PKCS #8 form": {&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}, ""},
		"a key of OpenSSH":      {openSSH, ""},
		"a key with passphrase": {locked, "passphrase"},
		"another key":           {&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(other)}, "does not decrypt"},
		"a key of another kind": {curved, "RSA key"},
		"something else in PEM": {&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}, "no private key"},
		"a key that is cut off": {&pem.Block{Type: "RSA PRIVATE KEY", Bytes: pkcs1.Bytes[:40]}, "no private key"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rsaDecryptFunc.Call([]cty.Value{text, cty.StringVal(string(pem.EncodeToMemory(tt.key)))})
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, cty.StringVal("the password"), got)
		})
	}
}
