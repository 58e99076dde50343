package link

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	sshconfig "github.com/kevinburke/ssh_config"
)

// resolve fills in what a machine leaves empty from the user's ~/.ssh/config: HostName, Port, User, IdentityFile and ProxyJump.
// What is written in the machine wins.
func (l *Links) resolve(m Machine) (Machine, error) {
	if err := m.check(); err != nil {
		return m, &Failure{Machine: m, Step: StepConfig, What: err.Error()}
	}
	config, err := l.userConfig()
	if err != nil {
		return m, &Failure{Machine: m, Step: StepConfig, What: err.Error(), Advice: "correct the file, or move it away", Cause: err}
	}
	m, err = l.aliased(config, m)
	if err != nil {
		return m, err
	}
	if m.Jump != nil {
		jump, err := l.aliased(config, *m.Jump)
		if err != nil {
			return m, err
		}
		if jump.Jump != nil {
			jump.Jump = nil
			m.Jump = &jump
			return m, &Failure{Machine: m, Step: StepConfig, What: "its head node has a ProxyJump in ~/.ssh/config; one node between is all that is supported"}
		}
		m.Jump = &jump
	}
	return m, nil
}

func (l *Links) aliased(config *sshconfig.Config, m Machine) (Machine, error) {
	get := func(name string) string {
		if config == nil {
			return ""
		}
		v, err := config.Get(m.Host, name)
		if err != nil {
			return ""
		}
		return v
	}
	alias := m.Host
	if m.Port == 0 {
		m.Port = 22
		if p := get("Port"); p != "" {
			n, err := strconv.Atoi(p)
			if err != nil || n < 1 || n > 65535 {
				return m, &Failure{Machine: m, Step: StepConfig, What: fmt.Sprintf("~/.ssh/config says Port %s for %q, which is no port", p, alias)}
			}
			m.Port = n
		}
	}
	if m.User == "" {
		if m.User = get("User"); m.User == "" {
			m.User = l.o.User
		}
	}
	if m.Identity == "" {
		m.Identity = strings.ReplaceAll(get("IdentityFile"), "%d", l.o.Home)
	}
	if jump := get("ProxyJump"); m.Jump == nil && jump != "" && jump != "none" {
		j, err := parseJump(jump)
		if err != nil {
			return m, &Failure{Machine: m, Step: StepConfig, What: fmt.Sprintf("~/.ssh/config says ProxyJump %s for %q: %v", jump, alias, err)}
		}
		j, err = l.aliased(config, j)
		if err != nil {
			return m, err
		}
		m.Jump = &j
	}
	if name := get("HostName"); name != "" {
		m.Host = strings.ReplaceAll(name, "%h", alias)
	}
	return m, nil
}

// parseJump reads [user@]host[:port].
func parseJump(text string) (Machine, error) {
	if strings.Contains(text, ",") {
		return Machine{}, fmt.Errorf("it goes through several nodes; one is all that is supported")
	}
	m := Machine{Host: strings.TrimPrefix(text, "ssh://")}
	if at := strings.LastIndex(m.Host, "@"); at >= 0 {
		m.User, m.Host = m.Host[:at], m.Host[at+1:]
	}
	if strings.HasPrefix(m.Host, "[") || strings.Count(m.Host, ":") == 1 {
		at := strings.LastIndex(m.Host, ":")
		port, err := strconv.Atoi(m.Host[at+1:])
		if err != nil {
			return Machine{}, fmt.Errorf("%q is no port", m.Host[at+1:])
		}
		m.Host, m.Port = strings.Trim(m.Host[:at], "[]"), port
	}
	return m, m.check()
}

// userConfig reads ~/.ssh/config, nil where there is none.
func (l *Links) userConfig() (*sshconfig.Config, error) {
	if l.o.Home == "" {
		return nil, nil
	}
	path := filepath.Join(l.o.Home, ".ssh", "config")
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	config, err := sshconfig.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return config, nil
}
