package local

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// idFile keeps the identity of a machine that has none of its own.
const idFile = "machine-id"

// machineID tells this machine from others: its own id where the system keeps one, else one that is made once and kept in root.
func machineID(root string) (string, error) {
	if id := systemID(); id != "" {
		return id, nil
	}
	return keptID(root)
}

func keptID(root string) (string, error) {
	path := filepath.Join(root, idFile)
	for {
		data, err := os.ReadFile(path)
		if id := strings.TrimSpace(string(data)); err == nil && id != "" {
			return id, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if err == nil {
			return "", fmt.Errorf("%s is empty; remove it, and a new identity is made", path)
		}
		if err := os.MkdirAll(root, 0o700); err != nil {
			return "", err
		}
		// Linked into place, so that of two who make one at the same time both get the same.
		own := path + "-" + rand.Text()
		if err := os.WriteFile(own, []byte(rand.Text()+"\n"), 0o600); err != nil {
			return "", err
		}
		err = os.Link(own, path)
		os.Remove(own)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
}
