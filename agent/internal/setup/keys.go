package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"github.com/dstackai/dstack-planner/agent/api"
)

// KeyEdit says which keys of an owner a login shall have.
type KeyEdit struct {
	Home  string    `json:"home"`
	Owner api.Owner `json:"owner"`
	Keys  []string  `json:"keys"`
	// Preview changes nothing.
	Preview bool `json:"preview,omitempty"`
}

// KeyAnswer is what became of it.
type KeyAnswer struct {
	Did    []string `json:"did"`
	Error  string   `json:"error,omitempty"`
	Denied bool     `json:"denied,omitempty"` // the login may not write its own file
}

// keys has exactly these keys of an owner in a login's authorized_keys. The file is written as the login: homes may be on a file
// server to which root is nobody. Where only root may write it, root does.
func (p Place) keys(login api.Login, owner api.Owner, keys []string, r *report) error {
	return p.editKeys(KeyEdit{Home: login.Home, Owner: owner, Keys: keys}, login, r)
}

func (p Place) editKeys(e KeyEdit, login api.Login, r *report) error {
	if os.Geteuid() == 0 && login.UID != 0 {
		a, err := p.editAs(e, login)
		if err != nil {
			return err
		}
		if !a.Denied {
			r.Did = append(r.Did, a.Did...)
			if a.Error != "" {
				return errors.New(a.Error)
			}
			return nil
		}
	}
	a := e.Apply()
	r.Did = append(r.Did, a.Did...)
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return nil
}

// editAs does it in a process of the login's.
func (p Place) editAs(e KeyEdit, login api.Login) (a KeyAnswer, err error) {
	program := p.At(api.HostProgram)
	if !there(program) {
		program = p.Program
	}
	in, err := json.Marshal(e)
	if err != nil {
		return a, err
	}
	cmd := exec.Command(program, "host", "keys")
	cmd.Dir, cmd.Env, cmd.Stdin = "/", []string{}, bytes.NewReader(in)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(login.UID), Gid: uint32(login.GID)}}
	out, err := cmd.Output()
	if errors.Is(err, fs.ErrPermission) {
		return KeyAnswer{Denied: true}, nil // the login may not run the program
	}
	if err != nil {
		return a, fmt.Errorf("write the keys of %s: %w", login.Name, err)
	}
	return a, json.Unmarshal(out, &a)
}

// RunKeyEdit reads a KeyEdit, does it as whoever runs this, and writes a KeyAnswer.
func RunKeyEdit(in io.Reader, out io.Writer) error {
	var e KeyEdit
	if err := json.NewDecoder(in).Decode(&e); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(e.Apply())
}

// What had to be made for the first of our lines, and goes with it. It stands in the line, since that comes and goes at once.
const (
	madeNothing = ""
	madeLineEnd = "; with a line end"
	madeFile    = "; with the file"
	madeFolder  = "; with the folder"
)

// mark is how our lines end, up to what was made for them.
func (e KeyEdit) mark() string {
	plain := func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}
	return " (dstack " + strings.Map(plain, e.Owner.Lineage+" "+e.Owner.Address)
}

// ours tells whether a line is one of ours, and what was made for it.
func (e KeyEdit) ours(line string) (made string, ok bool) {
	line = strings.TrimRight(line, "\r\n")
	for _, made := range []string{madeNothing, madeLineEnd, madeFile, madeFolder} {
		if strings.HasSuffix(line, e.mark()+made+")") {
			return made, true
		}
	}
	return "", false
}

// blob is what makes a key: the word that looks like one. Options may stand before it, anything after.
func blob(line string) string {
	for word := range strings.FieldsSeq(line) {
		if strings.HasPrefix(word, "AAAA") {
			return word
		}
	}
	return ""
}

// Apply has exactly these keys in authorized_keys, and leaves every other line as it is. A key that is there without our mark is
// somebody else's and does for both.
func (e KeyEdit) Apply() (a KeyAnswer) {
	did, err := e.apply()
	a.Did = did
	if err != nil {
		a.Error = err.Error()
		a.Denied = errors.Is(err, fs.ErrPermission)
	}
	return a
}

func (e KeyEdit) apply() (did []string, err error) {
	dir := filepath.Join(e.Home, ".ssh")
	path := filepath.Join(dir, "authorized_keys")
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // somebody keeps it elsewhere
	}
	text, err := os.ReadFile(path)
	fileThere := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	_ = os.RemoveAll(dir + fileNew) // of one who was cut off
	_, _ = remove(path + fileNew)

	lines := slices.Collect(strings.Lines(string(text)))
	var kept []string
	var others, have []string
	made := madeNothing
	removed, madeAt := 0, 0
	wanted := func(key string) bool {
		return slices.ContainsFunc(e.Keys, func(k string) bool { return blob(k) == key })
	}
	for _, line := range lines {
		m, ok := e.ours(line)
		if !ok {
			others = append(others, blob(line))
			kept = append(kept, line)
			continue
		}
		if key := blob(line); wanted(key) && !slices.Contains(have, key) {
			have = append(have, key)
			kept = append(kept, line)
			continue
		}
		removed++
		if m != madeNothing {
			made, madeAt = m, len(kept)
		}
	}
	var add []string
	for _, key := range e.Keys {
		b := blob(key)
		if b == "" {
			return nil, fmt.Errorf("%q is no public key", key)
		}
		if !slices.Contains(others, b) && !slices.Contains(have, b) {
			have = append(have, b)
			add = append(add, keyType(key)+" "+b+e.mark())
		}
	}
	if removed == 0 && len(add) == 0 {
		return nil, nil
	}
	if len(add) > 0 {
		did = append(did, fmt.Sprintf("added %s to %s", count(len(add), "key"), path))
	}
	if removed > 0 {
		did = append(did, fmt.Sprintf("removed %s from %s", count(removed, "key"), path))
	}
	if e.Preview {
		return did, nil
	}
	left := len(have) > 0 || len(add) > 0
	if removed > 0 && !left {
		switch made {
		case madeLineEnd:
			if madeAt == len(kept) && madeAt > 0 {
				kept[madeAt-1] = strings.TrimSuffix(kept[madeAt-1], "\n")
			}
		case madeFile, madeFolder:
			if len(kept) == 0 {
				if err := os.Remove(path); err != nil {
					return nil, err
				}
				if made == madeFolder {
					_ = os.Remove(dir) // unless there is something else in it by now
				}
				return did, nil
			}
		}
	}
	// What was made for a line that goes is from now on owed to another one of ours.
	if removed > 0 && left && made != madeNothing {
		if i := slices.IndexFunc(kept, func(line string) bool { _, ok := e.ours(line); return ok }); i >= 0 {
			kept[i] = strings.TrimSuffix(strings.TrimRight(kept[i], "\r\n"), ")") + made + ")\n"
			made = madeNothing
		}
	} else {
		made = madeNothing
	}
	if len(add) > 0 && made == madeNothing {
		switch {
		case !there(dir):
			made = madeFolder
		case !fileThere:
			made = madeFile
		case len(kept) > 0 && !strings.HasSuffix(kept[len(kept)-1], "\n"):
			made = madeLineEnd
		}
	}
	for i := range add {
		if i == 0 {
			add[i] += made
		}
		add[i] += ")\n"
	}
	addition := strings.Join(add, "")
	if len(kept) > 0 && len(add) > 0 && !strings.HasSuffix(kept[len(kept)-1], "\n") {
		addition = "\n" + addition
	}
	whole := strings.Join(kept, "") + addition
	switch {
	case !there(dir):
		err = makeFolder(dir, whole)
	case !fileThere:
		err = replace(path, []byte(whole), 0o600, nil)
	case removed == 0:
		err = appendTo(path, addition) // keeps whatever else the file has: its owner, its rights
	default:
		var info os.FileInfo
		if info, err = os.Stat(path); err == nil {
			err = replace(path, []byte(whole), info.Mode().Perm(), info)
		}
	}
	if err != nil {
		return nil, err
	}
	return did, nil
}

// makeFolder makes .ssh with authorized_keys in it, both or none.
func makeFolder(dir, text string) error {
	fresh := dir + fileNew
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	if err := replace(filepath.Join(fresh, "authorized_keys"), []byte(text), 0o600, nil); err != nil {
		return err
	}
	return os.Rename(fresh, dir)
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// keyType is the word before a key.
func keyType(line string) string {
	before := ""
	for word := range strings.FieldsSeq(line) {
		if strings.HasPrefix(word, "AAAA") {
			return before
		}
		before = word
	}
	return ""
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
