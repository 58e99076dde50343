package inside

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// account is the user of the job, as far as the job's root knows it.
type account struct {
	name, home, shell string
}

// systemPath is where programs are looked for besides the job's PATH.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// self is the account of this process.
func self() account {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return account{}
	}
	defer f.Close()
	return findAccount(f, os.Geteuid())
}

// findAccount looks a user up by number. An unknown one has no name, home or shell.
func findAccount(passwd io.Reader, uid int) account {
	for lines := bufio.NewScanner(passwd); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) >= 7 && fields[2] == strconv.Itoa(uid) {
			return account{fields[0], fields[5], fields[6]}
		}
	}
	return account{}
}

// shell is how commands and terminals are run.
type shell struct {
	path string
	args []string // before its own
	name string   // that it is called by
}

// shellOf finds the shell of an account: its own, bash, sh, or the one that is built in. A shell that only says that nobody may
// log in is none: whoever got here may.
func (o Options) shellOf(a account, env []string) shell {
	path := variable(env, "PATH")
	for _, name := range []string{a.shell, "bash", "sh"} {
		switch filepath.Base(name) {
		case "nologin", "false", "true", ".":
			continue
		}
		if found := lookPath(name, path); found != "" {
			return shell{path: found, name: filepath.Base(found)}
		}
	}
	return shell{path: o.Self, args: o.SelfArgs, name: "dstack-shell"}
}

// lookPath finds a program, "" if there is none.
func lookPath(name, path string) string {
	if name == "" {
		return ""
	}
	if strings.Contains(name, "/") {
		if executable(name) {
			return name
		}
		return ""
	}
	for _, dir := range filepath.SplitList(path + ":" + systemPath) {
		if file := filepath.Join(dir, name); filepath.IsAbs(file) && executable(file) {
			return file
		}
	}
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// variable is the last value of a variable.
func variable(env []string, name string) string {
	value := ""
	for _, v := range env {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			value = text
		}
	}
	return value
}

// missing says what to do instead of a command whose program the job does not have, "" if there is nothing to say.
func missing(command string, env []string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(command), " ")
	advice, ok := map[string]string{
		"rsync": "use scp, which needs nothing there",
		"scp":   "use scp -s or sftp, which need nothing there",
	}[name]
	if !ok || lookPath(name, variable(env, "PATH")) != "" {
		return ""
	}
	return name + " is not in this job; " + advice
}
