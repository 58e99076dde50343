package sock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// maxPath is the longest path that every system takes: macOS has 104 bytes with the closing zero, Linux 108.
const maxPath = 100

// Listen makes the socket name in the folder dir, in place of one that an earlier process left there, so that only the user
// of this process can connect to it. The caller makes sure that no other process listens there. Closing the listener
// removes the socket.
func Listen(dir, name string) (net.Listener, error) {
	path, err := absolute(dir, name)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	if len(path) <= maxPath {
		return listenAt(path)
	}
	return listenLong(path)
}

// Dial connects to the socket name in the folder dir.
func Dial(ctx context.Context, dir, name string) (net.Conn, error) {
	path, err := absolute(dir, name)
	if err != nil {
		return nil, err
	}
	if len(path) <= maxPath {
		return dialAt(ctx, path)
	}
	return dialLong(ctx, path)
}

func absolute(dir, name string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find socket %s in %s: %w", name, dir, err)
	}
	return filepath.Join(abs, name), nil
}

func listenAt(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	// The folder is private already; the mode keeps the socket so where somebody opens the folder.
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func dialAt(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// closing runs a function after its listener was closed.
type closing struct {
	net.Listener
	after func()
}

func (c *closing) Close() error {
	err := c.Listener.Close()
	c.after()
	return err
}

// pointer is the file beside path that says where its socket really lies.
func pointer(path string) string { return path + ".path" }

// listenElsewhere makes the socket in a private folder with a short name.
func listenElsewhere(path string) (net.Listener, error) {
	if old, err := os.ReadFile(pointer(path)); err == nil {
		removeElsewhere(string(old))
	}
	short, err := os.MkdirTemp("/tmp", "dstack-")
	if err != nil {
		return nil, fmt.Errorf("make a short folder for %s: %w", path, err)
	}
	at := filepath.Join(short, "s")
	l, err := listenAt(at)
	if err == nil {
		err = os.WriteFile(pointer(path), []byte(at), 0o600)
	}
	if err != nil {
		if l != nil {
			l.Close()
		}
		os.RemoveAll(short)
		return nil, err
	}
	return &closing{l, func() {
		os.Remove(pointer(path))
		removeElsewhere(at)
	}}, nil
}

// removeElsewhere removes a folder that listenElsewhere made, and nothing that it could not have made.
func removeElsewhere(at string) {
	dir := filepath.Dir(at)
	if filepath.Dir(dir) == "/tmp" && strings.HasPrefix(filepath.Base(dir), "dstack-") && filepath.Base(at) == "s" {
		os.Remove(at)
		os.Remove(dir)
	}
}

// dialElsewhere connects to a socket that listenElsewhere made.
func dialElsewhere(ctx context.Context, path string) (net.Conn, error) {
	at, err := os.ReadFile(pointer(path))
	if err != nil {
		return nil, err
	}
	return dialAt(ctx, string(at))
}
