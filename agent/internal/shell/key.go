package shell

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/agent/internal/disk"
)

// HostKey reads the key by which a job is known to those who come, and makes it at the first time.
func HostKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read host key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("read host key %s: %w", path, err)
	}
	return key, nil
}

func makeKey(path string) ([]byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "dstack")
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(block)
	return text, disk.WriteFile(path, text)
}

// Text is a public key as known_hosts and authorized_keys have it, without a comment.
func Text(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }

// Keys are public keys of those who may come in.
type Keys []ssh.PublicKey

// ParseKeys reads lines of authorized_keys; blank ones and comments are left out. A key with options is refused, since what it
// takes away would not be taken away here.
func ParseKeys(lines []string) (Keys, error) {
	var keys Keys
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		switch {
		case err != nil:
			return nil, fmt.Errorf("authorized key %d is no public key in the form of OpenSSH: %.40q", i+1, line)
		case len(options) > 0:
			return nil, fmt.Errorf("authorized key %d has options (%s), which are not supported; write the key without them", i+1, strings.Join(options, ","))
		case len(bytes.TrimSpace(rest)) > 0:
			return nil, fmt.Errorf("authorized key %d is more than one line", i+1)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Has tells whether a key is one of them.
func (k Keys) Has(key ssh.PublicKey) bool {
	for _, have := range k {
		if bytes.Equal(have.Marshal(), key.Marshal()) {
			return true
		}
	}
	return false
}
