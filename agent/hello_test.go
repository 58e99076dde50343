package agent

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHelloAnswers(t *testing.T) {
	page := filepath.Join(t.TempDir(), "index.html")
	require.NoError(t, os.WriteFile(page, []byte("a page"), 0o600))
	env := func(name string) string {
		return map[string]string{"DSTACK_RUN_NAME": "web", "DSTACK_REPLICA_INDEX": "1"}[name]
	}
	for name, tc := range map[string]struct {
		file, want string
		code       int
	}{
		"with who it is":                 {"", "Hello from dstack\nrun: web\nreplica: 1\npath: /a/b\n", http.StatusOK},
		"with a file":                    {page, "a page", http.StatusOK},
		"that the file is not there yet": {page + "x", "404 page not found\n", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			hello(tc.file, env).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/a/b", nil))
			require.Equal(t, tc.code, w.Code)
			require.Equal(t, tc.want, w.Body.String())
		})
	}
}
