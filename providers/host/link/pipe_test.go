package link_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers/host/link/linktest"
)

func TestPipe(t *testing.T) {
	strange := filepath.Join(t.TempDir(), "strange")
	require.NoError(t, os.WriteFile(strange, []byte("#!/bin/sh\necho 'strange shell 1.0'\necho 'no manual' >&2\nexec /bin/sh\n"), 0o700))
	w := someone(t)
	for name, change := range map[string]func(*linktest.Options){
		"a quiet login":                    func(*linktest.Options) {},
		"a login that greets":              func(o *linktest.Options) { o.Noise = "Welcome to the lab!\nYou have mail.\n" },
		"a greeting that does not end":     func(o *linktest.Options) { o.Noise = "Welcome> " },
		"a login shell that is not sh":     func(o *linktest.Options) { o.Shell = strange },
		"a shell that reads ahead of it":   func(o *linktest.Options) { o.Shell = "/bin/bash" },
		"a greeting of many lines, in all": func(o *linktest.Options) { o.Noise = strings.Repeat("All your base\n", 5000) },
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, w.links(t), w.machine(w.serve(t, change)))
			p, err := c.Pipe(t.Context(), `echo "it's $((1+1))"; echo oops >&2; cat; exit 7`)
			require.NoError(t, err)
			defer p.Close()
			line, err := p.ReadLine()
			require.NoError(t, err)
			require.Equal(t, "it's 2", line)
			_, err = fmt.Fprint(p, "there and\nback")
			require.NoError(t, err)
			require.NoError(t, p.CloseWrite())
			rest, err := io.ReadAll(p)
			require.NoError(t, err)
			require.Equal(t, "there and\nback", string(rest))
			code, said, err := p.Wait(t.Context())
			require.NoError(t, err)
			require.Equal(t, 7, code)
			require.Equal(t, "oops", said)
		})
	}
}

func TestPipeFailures(t *testing.T) {
	none := filepath.Join(t.TempDir(), "nologin")
	require.NoError(t, os.WriteFile(none, []byte("#!/bin/sh\necho 'This account is currently not available.'\nexit 1\n"), 0o700))
	w := someone(t)
	c := open(t, w.links(t), w.machine(w.serve(t, func(o *linktest.Options) { o.Shell = none })))
	_, err := c.Pipe(t.Context(), "true")
	require.ErrorContains(t, err, `user ubuntu cannot run commands there; the machine said "This account is currently not available."; give the user a shell`)

	c = open(t, w.links(t), w.machine(w.serve(t)))
	_, err = c.Pipe(t.Context(), "true\nfalse")
	require.ErrorContains(t, err, "a command of several lines")
	p, err := c.Pipe(t.Context(), "exec sleep 60")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, _, err = p.Wait(ctx)
	require.ErrorContains(t, err, "a command did not end in time")
	require.NoError(t, p.Close())
	out, err := c.Script(t.Context(), "echo on")
	require.NoError(t, err)
	require.Equal(t, "on\n", string(out.Stdout))

	s := w.serve(t)
	c = open(t, w.links(t), w.machine(s))
	p, err = c.Pipe(t.Context(), "exec sleep 60")
	require.NoError(t, err)
	defer p.Close()
	s.Drop()
	_, _, err = p.Wait(t.Context())
	require.ErrorContains(t, err, "the connection was lost")
}
