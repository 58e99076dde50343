package addr

import "strings"

// Static returns the path without keys: the call of a module as written, all its repetitions together.
func (m Module) Static() Module {
	if !strings.ContainsRune(string(m), '[') {
		return m
	}
	call, _ := m.Call()
	return call.Module.Static().Child(call.Name, NoKey)
}

// Call returns the repetition of the block `module` that stands for m: the last step of the path, as a block of the
// module around it. It is false for Root.
func (m Module) Call() (Instance, bool) {
	if m == Root {
		return Instance{}, false
	}
	i, err := ParseInstance(string(m))
	if err != nil {
		panic(err) // paths are made of Child and of what was parsed
	}
	return i, true
}

// Within tells whether m is the module of, or is inside, what pattern names. A step of the pattern without a key stands
// for all repetitions.
func (m Module) Within(pattern Module) bool {
	if pattern == Root || m == pattern {
		return true
	}
	if m == Root {
		return false
	}
	have, want := m.steps(), pattern.steps()
	if len(have) < len(want) {
		return false
	}
	for i, w := range want {
		if have[i].name != w.name || w.key.IsSet() && have[i].key != w.key {
			return false
		}
	}
	return true
}

// Depth is the number of modules around what is in m.
func (m Module) Depth() int { return len(m.steps()) }

// Up returns the path of m's ancestor of a depth; m itself if it is no deeper.
func (m Module) Up(depth int) Module {
	steps := m.steps()
	if len(steps) <= depth {
		return m
	}
	out := Root
	for _, s := range steps[:depth] {
		out = out.Child(s.name, s.key)
	}
	return out
}

// Names are the names and keys of the steps, as plain words: eu, a, net.
func (m Module) Names() []string {
	var out []string
	for _, s := range m.steps() {
		out = append(out, s.name)
		if s.key.IsSet() {
			out = append(out, s.key.Text())
		}
	}
	return out
}

// Words are what a name for the block is made of: the names and keys of the modules around it, its own and its key.
func (i Instance) Words() []string {
	out := append(i.Module.Names(), i.Name)
	if i.Key.IsSet() {
		out = append(out, i.Key.Text())
	}
	return out
}

func (m Module) steps() []step {
	var out []step
	for m != Root {
		call, _ := m.Call()
		out = append(out, step{call.Name, call.Key})
		m = call.Module
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// Join returns the path of a module inside m.
func (m Module) Join(inner Module) Module {
	switch {
	case m == Root:
		return inner
	case inner == Root:
		return m
	}
	return m + "." + inner
}
