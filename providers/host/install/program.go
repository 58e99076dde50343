package install

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// Programs finds the agent for Linux on an architecture, as Go names it. It is an fs.ErrNotExist if there is none.
type Programs func(arch string) (path string, err error)

// Beside finds agents beside the program dstack-agent of this machine, which is DIR/dstack-agent: DIR/dstack-agent-linux-ARCH, or
// that program itself where this machine is such a one.
func Beside(agent string) Programs {
	return func(arch string) (string, error) {
		path := filepath.Join(filepath.Dir(agent), "dstack-agent-linux-"+arch)
		_, err := os.Stat(path)
		if err != nil && runtime.GOOS == "linux" && runtime.GOARCH == arch {
			if _, err := os.Stat(agent); err == nil {
				return agent, nil
			}
		}
		return path, err
	}
}

// program is an agent that can be sent.
type program struct {
	path string
	size int64
	sum  string
}

// sums remembers checksums of files, each of which is read once for all machines.
type sums struct {
	mu   sync.Mutex
	seen map[string]func() (program, error)
}

func (s *sums) of(path string) (program, error) {
	info, err := os.Stat(path)
	if err != nil {
		return program{}, err
	}
	key := fmt.Sprintf("%s\x00%d\x00%d", path, info.Size(), info.ModTime().UnixNano())
	s.mu.Lock()
	if s.seen == nil {
		s.seen = map[string]func() (program, error){}
	}
	read, ok := s.seen[key]
	if !ok {
		read = sync.OnceValues(func() (program, error) { return sum(path) })
		s.seen[key] = read
	}
	s.mu.Unlock()
	return read()
}

func sum(path string) (program, error) {
	f, err := os.Open(path)
	if err != nil {
		return program{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return program{path, n, hex.EncodeToString(h.Sum(nil))}, err
}
