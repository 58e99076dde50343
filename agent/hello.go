package agent

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// runHello serves HTTP on a port of 127.0.0.1 and answers every request with who it is. Examples use it on machines that have
// no server of their own. With --file it answers with what the file holds.
func runHello(ctx context.Context, s streams, args []string) error {
	var port int
	var file string
	if err := flags(s, "hello", args, func(f *flag.FlagSet) {
		f.IntVar(&port, "port", 0, "port on 127.0.0.1")
		f.StringVar(&file, "file", "", "answer with what this file holds")
	}); err != nil {
		return err
	}
	if port < 1 || port > 65535 {
		return fmt.Errorf("%w: hello needs --port, between 1 and 65535", errUsage)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "listening on %s\n", l.Addr())
	return serveUntil(ctx, &http.Server{Handler: hello(file, os.Getenv), ReadHeaderTimeout: 10 * time.Second}, l)
}

// hello answers with a file, or with the run, job and replica that the environment names, and the path that was asked for.
func hello(file string, getenv func(string) string) http.Handler {
	if file != "" {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, "Hello from dstack\n")
		for _, line := range []struct{ name, variable string }{
			{"run", "DSTACK_RUN_NAME"}, {"job", "DSTACK_JOB_NAME"}, {"replica", "DSTACK_REPLICA_INDEX"}, {"node", "DSTACK_NODE_RANK"},
		} {
			if v := getenv(line.variable); v != "" {
				fmt.Fprintf(w, "%s: %s\n", line.name, v)
			}
		}
		fmt.Fprintf(w, "path: %s\n", r.URL.Path)
	})
}
