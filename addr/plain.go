package addr

// plainSteps reads an address that is written in the plainest way: ASCII names, numbers without leading zeros, quoted
// keys without escapes. That is nearly every address, and a plan of 10,000 resources reads each of them many times over,
// which costs HCL's scanner more than all the rest of the plan. Whatever is not plain, right or wrong, is left to HCL:
// ok is false then.
func plainSteps(s string) (steps []step, ok bool) {
	steps = make([]step, 0, 6)
	for {
		n := plainName(s)
		if n == 0 {
			return nil, false
		}
		st := step{name: s[:n]}
		s = s[n:]
		if s != "" && s[0] == '[' {
			if st.key, s, ok = plainKey(s[1:]); !ok {
				return nil, false
			}
		}
		steps = append(steps, st)
		if s == "" {
			return steps, true
		}
		if s[0] != '.' {
			return nil, false
		}
		s = s[1:]
	}
}

// plainName is the length of the name at the start of s.
func plainName(s string) int {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-'):
		default:
			return i
		}
	}
	return len(s)
}

// plainKey reads what follows an opening bracket up to the closing one.
func plainKey(s string) (k Key, rest string, ok bool) {
	if s != "" && s[0] == '"' {
		for i := 1; i+1 < len(s); i++ {
			switch c := s[i]; {
			case c == '"':
				return String(s[1:i]), s[i+2:], s[i+1] == ']'
			case c < ' ' || c > '~' || c == '\\' || c == '$' || c == '%':
				return NoKey, "", false
			}
		}
		return NoKey, "", false
	}
	const most = 9 // digits that fit an int of any size
	n := 0
	for i := 0; i < len(s) && i <= most; i++ {
		c := s[i]
		if c == ']' {
			return Int(n), s[i+1:], i > 0 && (i == 1 || s[0] != '0')
		}
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return NoKey, "", false
}
