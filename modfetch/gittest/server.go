package gittest

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// Server serves the repositories below a folder, for reading.
type Server struct {
	*httptest.Server
	// CA is a file with the certificate that git must trust: GIT_SSL_CAINFO.
	CA string

	requests atomic.Int64
	login    atomic.Pointer[[2]string]
	age      atomic.Int32
}

// Ages of servers.
const (
	old  = 1 // it speaks the first protocol alone
	dumb = 2 // it is a web server that knows nothing of git
)

// Serve starts a server for the repositories below root. The certificate is written beside them.
func Serve(root string) (*Server, error) {
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, err
	}
	backend := &cgi.Handler{
		Stderr: io.Discard, // what git complains of reaches the client, too
		Path:   filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:    []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "PATH=" + os.Getenv("PATH")},
	}
	files := http.FileServer(http.Dir(root))
	s := &Server{CA: filepath.Join(root, "ca.pem")}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if login := s.login.Load(); login != nil {
			user, password, _ := r.BasicAuth()
			if user != login[0] || password != login[1] {
				w.Header().Set("WWW-Authenticate", `Basic realm="modules"`)
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
		}
		// The protocol's version travels in a header, which CGI does not hand on by itself as git expects it.
		one := *backend
		if s.age.Load() == dumb {
			files.ServeHTTP(w, r)
			return
		}
		if v := r.Header.Get("Git-Protocol"); v != "" && s.age.Load() != old {
			one.Env = append(one.Env[:len(one.Env):len(one.Env)], "GIT_PROTOCOL="+v)
		}
		one.ServeHTTP(w, r)
	}))
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(s.CA, cert, 0o644); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Requests is how many requests there have been.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// Require asks for a user and a password from now on.
func (s *Server) Require(user, password string) { s.login.Store(&[2]string{user, password}) }

// GetOld makes the server one that speaks the first version of git's protocol alone, and so gives only what refs point to.
func (s *Server) GetOld() { s.age.Store(old) }

// GetDumb makes the server one of files, which is not git's. Repositories need git update-server-info for it.
func (s *Server) GetDumb() { s.age.Store(dumb) }

// Repo is the address of a repository below the root.
func (s *Server) Repo(name string) string { return s.URL + "/" + name }
