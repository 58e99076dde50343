package inside

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
)

// tool is a program that is built in. Its words are those after its name.
type tool struct {
	name, does string
	run        func(c interp.HandlerContext, words []string) error
}

// tools are there for jobs that have nothing: enough to look around, to move files and to end a process.
func tools() []tool {
	return []tool{
		{"cat", "print files", cat},
		{"cp", "copy a file: cp FROM TO", copyFile},
		{"env", "print the environment", printEnv},
		{"help", "print this", help},
		{"kill", "send a signal: kill [-SIGNAL] PID...", kill},
		{"ls", "list files: ls [-l] [-a] [PATH...]", list},
		{"mkdir", "make folders, with those above them", makeFolders},
		{"mv", "rename a file: mv FROM TO", move},
		{"ps", "list processes", processes},
		{"rm", "remove: rm [-r] PATH...", remove},
	}
}

// brokenPipe is how a program ends that wrote to a pipe that nobody reads, as shells count it.
const brokenPipe = 128 + int(syscall.SIGPIPE)

// instead goes before the name of a command that the interpreter has reserved and does not have.
const instead = "dstack-"

// takeOver lets kill and help be tools.
func takeOver(_ context.Context, args []string) ([]string, error) {
	if args[0] == "kill" || args[0] == "help" {
		args = append([]string{instead + args[0]}, args[1:]...)
	}
	return args, nil
}

// runTool runs a tool where the job has no program of that name.
func runTool(programs interp.ExecHandlerFunc) interp.ExecHandlerFunc {
	return func(ctx context.Context, args []string) error {
		c := interp.HandlerCtx(ctx)
		args[0] = strings.TrimPrefix(args[0], instead)
		if _, err := interp.LookPathDir(c.Dir, c.Env, args[0]); err == nil {
			return programs(ctx, args)
		}
		all := tools()
		at := slices.IndexFunc(all, func(t tool) bool { return t.name == args[0] })
		if at < 0 {
			return programs(ctx, args)
		}
		err := all[at].run(c, args[1:])
		if errors.Is(err, syscall.EPIPE) {
			return interp.ExitStatus(brokenPipe) // nobody reads on, and nobody needs to be told
		}
		if err != nil {
			fmt.Fprintf(c.Stderr, "%s: %v\n", args[0], err)
			return interp.ExitStatus(1)
		}
		return nil
	}
}

// options takes the leading words that begin with a hyphen; of their letters only those in known are taken.
func options(words []string, known string) (set string, rest []string, err error) {
	for len(words) > 0 && len(words[0]) > 1 && words[0][0] == '-' {
		word := words[0][1:]
		words = words[1:]
		if word == "-" {
			break
		}
		for _, letter := range word {
			if !strings.ContainsRune(known, letter) {
				return "", nil, fmt.Errorf("-%c is not known here", letter)
			}
		}
		set += word
	}
	return set, words, nil
}

// at is a path as the shell sees it.
func at(c interp.HandlerContext, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Dir, path)
}

func cat(c interp.HandlerContext, words []string) error {
	if len(words) == 0 {
		words = []string{"-"}
	}
	for _, w := range words {
		if w == "-" {
			if c.Stdin == nil {
				continue
			}
			if _, err := io.Copy(c.Stdout, c.Stdin); err != nil {
				return err
			}
			continue
		}
		f, err := os.Open(at(c, w))
		if err != nil {
			return err
		}
		_, err = io.Copy(c.Stdout, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// target is where a file goes: into a folder, or to a path.
func target(c interp.HandlerContext, words []string) (from, to string, err error) {
	if len(words) != 2 {
		return "", "", errors.New("it takes two paths")
	}
	from, to = at(c, words[0]), at(c, words[1])
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		to = filepath.Join(to, filepath.Base(from))
	}
	return from, to, nil
}

func copyFile(c interp.HandlerContext, words []string) error {
	from, to, err := target(c, words)
	if err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a folder", words[0])
	}
	if there, err := os.Stat(to); err == nil && os.SameFile(info, there) {
		return errors.New("the two are the same file")
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func move(c interp.HandlerContext, words []string) error {
	from, to, err := target(c, words)
	if err != nil {
		return err
	}
	return os.Rename(from, to)
}

func printEnv(c interp.HandlerContext, words []string) error {
	if len(words) > 0 {
		return errors.New("it takes no words here; write NAME=VALUE before a command to set a variable for it")
	}
	var lines []string
	c.Env.Each(func(name string, v expand.Variable) bool {
		if v.Exported {
			lines = append(lines, name+"="+v.String()+"\n")
		}
		return true
	})
	slices.Sort(lines)
	_, err := io.WriteString(c.Stdout, strings.Join(lines, ""))
	return err
}

func help(c interp.HandlerContext, _ []string) error {
	for _, t := range tools() {
		if _, err := fmt.Fprintf(c.Stdout, "%-6s %s\n", t.name, t.does); err != nil {
			return err
		}
	}
	return nil
}

func kill(_ interp.HandlerContext, words []string) error {
	sig := unix.SIGTERM
	if len(words) > 0 && strings.HasPrefix(words[0], "-") {
		name := strings.TrimPrefix(strings.ToUpper(words[0][1:]), "SIG")
		if n, err := strconv.Atoi(name); err == nil {
			sig = syscall.Signal(n)
		} else if sig = unix.SignalNum("SIG" + name); sig == 0 {
			return fmt.Errorf("there is no signal %s", words[0][1:])
		}
		words = words[1:]
	}
	if len(words) == 0 {
		return errors.New("it takes the number of a process")
	}
	for _, w := range words {
		pid, err := strconv.Atoi(w)
		if err != nil {
			return fmt.Errorf("%q is not the number of a process", w)
		}
		if err := unix.Kill(pid, sig); err != nil {
			return fmt.Errorf("%d: %w", pid, err)
		}
	}
	return nil
}

func list(c interp.HandlerContext, words []string) error {
	set, paths, err := options(words, "la1")
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		paths = []string{"."}
	}
	for _, p := range paths {
		info, err := os.Stat(at(c, p))
		if err != nil {
			return err
		}
		if !info.IsDir() {
			listOne(c, set, info, p)
			continue
		}
		entries, err := os.ReadDir(at(c, p))
		if err != nil {
			return err
		}
		if len(paths) > 1 {
			fmt.Fprintf(c.Stdout, "%s:\n", p)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") && !strings.Contains(set, "a") {
				continue
			}
			if info, err := e.Info(); err == nil { // it may be gone by now
				listOne(c, set, info, e.Name())
			}
		}
	}
	return nil
}

func listOne(c interp.HandlerContext, set string, info fs.FileInfo, name string) {
	if strings.Contains(set, "l") {
		fmt.Fprintf(c.Stdout, "%s %12d %s ", info.Mode(), info.Size(), info.ModTime().UTC().Format("2006-01-02 15:04"))
	}
	fmt.Fprintln(c.Stdout, name)
}

func makeFolders(c interp.HandlerContext, words []string) error {
	_, paths, err := options(words, "p")
	if err != nil {
		return err
	}
	for _, p := range paths {
		if err := os.MkdirAll(at(c, p), 0o777); err != nil {
			return err
		}
	}
	return nil
}

func processes(c interp.HandlerContext, _ []string) error {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	for _, dir := range dirs {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(line) == 0 {
			continue // it has ended, or belongs to the kernel
		}
		text := strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " ")
		if _, err := fmt.Fprintf(c.Stdout, "%7s %s\n", filepath.Base(dir), strings.ToValidUTF8(text, "?")); err != nil {
			return err
		}
	}
	return nil
}

func remove(c interp.HandlerContext, words []string) error {
	set, paths, err := options(words, "rf")
	if err != nil {
		return err
	}
	for _, p := range paths {
		path := at(c, p)
		if strings.Contains(set, "r") {
			err = os.RemoveAll(path)
		} else if info, serr := os.Lstat(path); serr == nil && info.IsDir() {
			err = fmt.Errorf("%s is a folder; use rm -r", p)
		} else {
			err = os.Remove(path)
		}
		if err != nil && !(strings.Contains(set, "f") && errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}
