package sshconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Files are those in one folder.
type Files struct{ Dir string }

// Config is the file for ssh -F and Include.
func (f Files) Config() string { return filepath.Join(f.Dir, "config") }

// KnownHosts is the file with the keys of jobs.
func (f Files) KnownHosts() string { return filepath.Join(f.Dir, "known_hosts") }

// Host is what ssh is told of a run.
type Host struct {
	Name     string   // that it is called by
	Alias    string   // that its key is known by
	User     string   // any is taken
	Identity string   // file with a private key
	Proxy    []string // the program that connects, with its arguments
}

const header = "# Written by dstack attach; changes are lost."

// Put writes the entry of a host, in place of one of the same name.
func (f Files) Put(h Host) error {
	return f.change(f.Config(), func(old string) (string, error) {
		blocks := []string{header}
		for _, e := range entries(old) {
			if e.name != h.Name {
				blocks = append(blocks, e.text)
			}
		}
		return strings.Join(append(blocks, f.entry(h)), "\n\n") + "\n", nil
	})
}

// Prune takes out what is known of the hosts whose alias begins with a prefix and whose name is none to keep. A file that is not
// there is not made.
func (f Files) Prune(prefix string, keep func(name string) bool) error {
	over := func(alias string) bool {
		name, ours := strings.CutPrefix(alias, prefix)
		return ours && !keep(name)
	}
	err := f.changeIfThere(f.Config(), func(old string) (string, error) {
		blocks := []string{header}
		for _, e := range entries(old) {
			if !over(e.alias) {
				blocks = append(blocks, e.text)
			}
		}
		return strings.Join(blocks, "\n\n") + "\n", nil
	})
	return errors.Join(err, f.changeIfThere(f.KnownHosts(), func(old string) (string, error) {
		var kept strings.Builder
		for line := range strings.Lines(old) {
			if alias, _, _ := strings.Cut(line, " "); !over(alias) {
				kept.WriteString(line)
			}
		}
		return kept.String(), nil
	}))
}

// entry is what stands in the file of one host.
type entry struct{ name, alias, text string }

// entries reads the file as Put writes it.
func entries(text string) []entry {
	var out []entry
	for block := range strings.SplitSeq(text, "\n\n") {
		e := entry{text: strings.TrimSpace(block)}
		for line := range strings.SplitSeq(e.text, "\n") {
			switch word, rest, _ := strings.Cut(strings.TrimSpace(line), " "); word {
			case "Host":
				e.name = rest
			case "HostKeyAlias":
				e.alias = rest
			}
		}
		if e.name != "" {
			out = append(out, e)
		}
	}
	return out
}

func (f Files) entry(h Host) string {
	var proxy []string
	for _, word := range h.Proxy {
		proxy = append(proxy, strings.ReplaceAll(shellWord(word), "%", "%%"))
	}
	lines := []string{
		"Host " + h.Name,
		"  HostName " + h.Name,
		"  HostKeyAlias " + h.Alias,
		"  User " + h.User,
		"  ProxyCommand " + strings.Join(proxy, " "),
		"  IdentityFile " + quoted(h.Identity),
		"  UserKnownHostsFile " + quoted(f.KnownHosts()),
		"  StrictHostKeyChecking yes",
		"  Ciphers ^aes128-gcm@openssh.com",
	}
	return strings.Join(lines, "\n")
}

// quoted is a path as ssh_config takes it.
func quoted(path string) string { return `"` + strings.ReplaceAll(path, "%", "%%") + `"` }

// shellWord is a word for the user's shell.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_./=:,@+", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// ErrChanged says that a job has another key than the one that it is known by.
var ErrChanged = errors.New("host key has changed")

// Know notes the key by which a job is known under an alias. Another job takes the place of one before it; another key of the
// same job is ErrChanged.
func (f Files) Know(alias, key, job string) error {
	return f.change(f.KnownHosts(), func(old string) (string, error) {
		var lines []string
		for line := range strings.SplitSeq(old, "\n") {
			fields := strings.Fields(line)
			if len(fields) == 0 {
				continue
			}
			if fields[0] != alias {
				lines = append(lines, line)
				continue
			}
			if len(fields) == 4 && fields[3] == job && fields[1]+" "+fields[2] != key {
				return "", fmt.Errorf("%w: job %s is known by %s %s in %s, and shows %s", ErrChanged, job, fields[1], fields[2], f.KnownHosts(), key)
			}
		}
		return strings.Join(append(lines, alias+" "+key+" "+job), "\n") + "\n", nil
	})
}

// Locked does something while no other program does anything of the kind.
func (f Files) Locked(do func() error) error {
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(f.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", f.Dir, err)
	}
	return do()
}

// change rewrites a file, one program at a time.
func (f Files) change(path string, edit func(string) (string, error)) error {
	return f.Locked(func() error {
		old, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		text, err := edit(string(old))
		if err != nil || text == string(old) {
			return err
		}
		return replace(path, text)
	})
}

func (f Files) changeIfThere(path string, edit func(string) (string, error)) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return f.change(path, edit)
}

func replace(path, text string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(text)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// Included tells whether the user's own configuration includes ours.
func (f Files) Included(own string) bool {
	text, err := os.ReadFile(own)
	if err != nil {
		return false
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if strings.TrimSpace(line) == f.include() {
			return true
		}
	}
	return false
}

func (f Files) include() string { return "Include " + quoted(f.Config()) }

// Include puts a line on top of the user's own configuration, which is written through a link that it may be.
func (f Files) Include(own string) error {
	if real, err := filepath.EvalSymlinks(own); err == nil {
		own = real
	}
	if err := os.MkdirAll(filepath.Dir(own), 0o700); err != nil {
		return err
	}
	old, err := os.ReadFile(own)
	mode := fs.FileMode(0o600)
	if info, serr := os.Stat(own); serr == nil {
		mode = info.Mode().Perm()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := replace(own, f.include()+"\n\n"+string(old)); err != nil {
		return err
	}
	return os.Chmod(own, mode)
}
