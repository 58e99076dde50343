package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os/user"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// explained is an error in words that say what helps; what it wraps is for programs.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// explain says in words what an error of Docker means and what helps, where that is known.
func (e *engine) explain(err error) error {
	if err == nil {
		return nil
	}
	socket := strings.TrimPrefix(e.host, "unix://")
	say := func(format string, args ...any) error { return &explained{fmt.Sprintf(format, args...), err} }
	text := err.Error()
	if client.IsErrConnectionFailed(err) {
		// The client says only that it failed, and not why.
		conn, derr := net.DialTimeout("unix", socket, time.Second)
		if derr == nil {
			conn.Close()
			return say("Docker at %s closed the connection: %s", e.host, text)
		}
		err = derr
	}
	switch {
	case errors.Is(err, syscall.EACCES) || errors.Is(err, fs.ErrPermission):
		name := "the agent's user"
		if u, uerr := user.Current(); uerr == nil {
			name = "user " + u.Username
		}
		return say("%s may not use Docker's socket %s; add it to the group that may (usermod -aG docker NAME), log in again and start the agent anew", name, socket)
	case errors.Is(err, fs.ErrNotExist):
		return say("Docker does not run: there is no socket %s; install it or start it (systemctl start docker), or set DOCKER_HOST", socket)
	case errors.Is(err, syscall.ECONNREFUSED):
		return say("Docker does not run: nobody listens on %s; start it (systemctl start docker)", socket)
	case strings.Contains(text, "no space left on device"):
		return say("the disk of Docker's images is full; make room, with docker system prune for what nobody uses: %s", text)
	case strings.Contains(text, "could not select device driver"):
		return say("Docker on this machine cannot give GPUs to containers; install the NVIDIA Container Toolkit and restart Docker: %s", text)
	case strings.Contains(text, "exec format error"):
		return say("the image is for another sort of processor than this machine's: %s", text)
	case strings.Contains(text, "unable to find user"), strings.Contains(text, "unable to find group"):
		return say("the image does not know the job's user; write one of its own, or numbers: %s", text)
	}
	return err
}

// explainPull says in words why an image could not be pulled.
func explainPull(image string, credentials bool, err error) error {
	text := err.Error()
	say := func(format string, args ...any) error { return &explained{fmt.Sprintf(format, args...), err} }
	switch {
	case strings.Contains(text, "toomanyrequests"):
		return say("the registry of image %s lets nobody pull that often; write registry_auth, or wait: %s", image, text)
	case errdefs.IsUnauthorized(err), strings.Contains(text, "unauthorized"), strings.Contains(text, "authentication required"),
		strings.Contains(text, "incorrect username or password"), strings.Contains(text, "no basic auth credentials"):
		if credentials {
			return say("the registry of image %s does not accept the user name and password of registry_auth: %s", image, text)
		}
		return say("the registry of image %s wants a user name and a password; write registry_auth: %s", image, text)
	case strings.Contains(text, "pull access denied"), strings.Contains(text, "denied:"):
		return say("image %s does not exist, or its registry shows it only to somebody else; see its name, and write registry_auth if it is private: %s", image, text)
	case errdefs.IsNotFound(err), strings.Contains(text, "manifest unknown"), strings.Contains(text, "not found"):
		return say("image %s does not exist in its registry; see its name and its tag: %s", image, text)
	case strings.Contains(text, "no matching manifest"):
		return say("image %s is not there for this machine's processor: %s", image, text)
	}
	return fmt.Errorf("pull image %s: %w", image, err)
}
