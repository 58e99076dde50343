package statefile

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// DigestKeySize is the number of random bytes in a digest key.
const DigestKeySize = 32

// Digest stands for a secret that must not be written: an HMAC-SHA-256 in hex,
// by which one can see that the secret at a path changed and nothing else. The
// path is part of it, so that two equal secrets do not look equal.
func Digest(key []byte, path string, value []byte) string {
	mac := hmac.New(sha256.New, key)
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(path)))
	mac.Write(size[:])
	mac.Write([]byte(path))
	mac.Write(value)
	return hex.EncodeToString(mac.Sum(nil))
}

// Encrypt hides a small secret in a text that only who has the digest key can read
// again, for what must travel beside the state. The name says what it is; it is
// part of the encryption, so that one hidden secret cannot stand for another. The
// same secret gives the same text.
func Encrypt(key []byte, name string, secret []byte) (string, error) {
	aead, err := encryption(key)
	if err != nil {
		return "", err
	}
	// A nonce that follows from the secret is repeated only for the same secret.
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "dstack-encrypt-nonce-1\n%d\n%s", len(name), name)
	mac.Write(secret)
	nonce := mac.Sum(nil)[:aead.NonceSize()]
	return base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, secret, []byte(name))), nil
}

// Decrypt reads what [Encrypt] has hidden.
func Decrypt(key []byte, name, hidden string) ([]byte, error) {
	aead, err := encryption(key)
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(hidden)
	if err != nil || len(raw) < aead.NonceSize() {
		return nil, fmt.Errorf("decrypt %s: it is damaged", name)
	}
	secret, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(name))
	if err != nil {
		return nil, fmt.Errorf("decrypt %s: it was encrypted for another state, or is damaged", name)
	}
	return secret, nil
}

func encryption(key []byte) (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("dstack-encrypt-key-1"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return cipher.NewGCM(block)
}

// NewKey is the idempotency key of one attempt at one address: 32 hex digits
// that are the same whenever the same plan of the same state is tried again.
// Head is that of the state which the plan was made from.
func NewKey(lineage, address, head string, attempt int) string {
	h := sha256.New()
	for _, part := range []string{"dstack-key-1", lineage, address, head, strconv.Itoa(attempt)} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// NewLineage is a new random name for a state, in the form of a UUID.
func NewLineage(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make lineage: %w", err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"), nil
}

// genesis is the head of a chain that has no record yet. It depends on the
// lineage, so that no record of one state continues another.
func genesis(lineage string) string {
	sum := sha256.Sum256([]byte("dstack-state-1\n" + lineage))
	return hex.EncodeToString(sum[:])
}
