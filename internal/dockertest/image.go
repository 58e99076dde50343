package dockertest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Files are what an image holds: paths without the first slash and their contents.
type Files map[string][]byte

// Busybox is a root file system with a static busybox, its shell and its tools.
func Busybox(t testing.TB) Files {
	t.Helper()
	path, err := exec.LookPath("busybox")
	require.NoError(t, err)
	program, err := os.ReadFile(path)
	require.NoError(t, err)
	return Files{
		"bin/busybox": program,
		"etc/passwd":  []byte("root:x:0:0::/root:/bin/sh\nworker:x:1000:1000::/home/worker:/bin/sh\n"),
		"etc/group":   []byte("root:x:0:\nworker:x:1000:\nvideo:x:44:worker\n"),
	}
}

// tools are the names under which busybox stands in its images.
const tools = "sh echo cat sleep true false ls id env head tail seq test touch grep awk wc stty nc tr cut pwd kill sync printf basename ps df mkdir mv rm dd yes hostname sed tee vi httpd chmod"

// layer makes a tar of the files.
func layer(t testing.TB, files Files) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	write := func(h tar.Header, data []byte) {
		require.NoError(t, w.WriteHeader(&h))
		_, err := w.Write(data)
		require.NoError(t, err)
	}
	for path, data := range files {
		mode := int64(0o644)
		if strings.Contains(path, "bin/") || bytes.HasPrefix(data, []byte("\x7fELF")) {
			mode = 0o755
		}
		write(tar.Header{Name: path, Mode: mode, Size: int64(len(data)), Typeflag: tar.TypeReg}, data)
		if path == "bin/busybox" {
			for name := range strings.FieldsSeq(tools) {
				write(tar.Header{Name: "bin/" + name, Linkname: "busybox", Typeflag: tar.TypeSymlink, Mode: 0o777}, nil)
			}
			write(tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil)
		}
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// Import makes an image of files in the Engine, whose name has a tag. changes are lines as in a Dockerfile.
func (e *Engine) Import(name string, files Files, changes ...string) {
	e.t.Helper()
	at := strings.LastIndex(name, ":")
	repo, tag := name[:at], name[at+1:]
	q := url.Values{"fromSrc": {"-"}, "repo": {repo}, "tag": {tag}, "changes": changes}
	_, err := e.call(context.Background(), http.MethodPost, "/images/create?"+q.Encode(), layer(e.t, files))
	require.NoError(e.t, err)
}

// Registry is a registry of images on this machine.
type Registry struct {
	// Host is its name in names of images.
	Host string
	// Username and Password, if they are set, are asked for.
	Username, Password string
	// Delay is waited before each of ten parts of a layer.
	Delay time.Duration

	t         testing.TB
	manifests map[string]string // by name:tag and by name:digest
	blobs     map[string][]byte
}

// NewRegistry serves images until the test ends.
func NewRegistry(t testing.TB) *Registry {
	r := &Registry{t: t, manifests: make(map[string]string), blobs: make(map[string][]byte)}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.Host = strings.TrimPrefix(s.URL, "http://")
	return r
}

// Add adds an image of one layer and returns its digest.
func (r *Registry) Add(name, tag string, files Files, env ...string) (digest string) {
	r.t.Helper()
	plain := layer(r.t, files)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(plain)
	require.NoError(r.t, err)
	require.NoError(r.t, w.Close())
	config := r.blob(mustJSON(r.t, map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Env": env, "Cmd": []string{"/bin/echo", "the image's own words"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digestOf(plain)}},
	}))
	const media = "application/vnd.docker.distribution.manifest.v2+json"
	manifest := mustJSON(r.t, map[string]any{
		"schemaVersion": 2, "mediaType": media,
		"config": map[string]any{"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(r.blobs[config]), "digest": config},
		"layers": []any{map[string]any{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": packed.Len(), "digest": r.blob(packed.Bytes())}},
	})
	digest = digestOf(manifest)
	r.manifests[name+":"+tag], r.manifests[name+":"+digest] = string(manifest), string(manifest)
	return digest
}

func (r *Registry) blob(data []byte) string {
	d := digestOf(data)
	r.blobs[d] = data
	return d
}

// ServeHTTP answers what an Engine asks when it pulls.
func (r *Registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if name, password, _ := q.BasicAuth(); r.Username != "" && (name != r.Username || password != r.Password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	path := strings.TrimPrefix(q.URL.Path, "/v2/")
	if name, ref, ok := strings.Cut(path, "/manifests/"); ok {
		m, ok := r.manifests[name+":"+ref]
		if !ok {
			refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
			return
		}
		w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
		w.Header().Set("Docker-Content-Digest", digestOf([]byte(m)))
		w.Header().Set("Content-Length", fmt.Sprint(len(m)))
		if q.Method != http.MethodHead {
			w.Write([]byte(m))
		}
		return
	}
	if _, d, ok := strings.Cut(path, "/blobs/"); ok {
		data, ok := r.blobs[d]
		if !ok {
			refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown")
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		for part := 0; part < 10; part++ {
			if r.Delay > 0 && len(data) > 10_000 {
				select {
				case <-time.After(r.Delay):
				case <-q.Context().Done():
					return
				}
			}
			w.Write(data[part*len(data)/10 : (part+1)*len(data)/10])
			http.NewResponseController(w).Flush()
		}
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return data
}
