package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/dstackai/dstack-planner/providers"
)

// settings of a backend block. All may be left out.
type settings struct {
	root  string
	ready time.Duration
}

func settingsSchema() []providers.Setting {
	text := json.RawMessage(`"string"`)
	return []providers.Setting{
		{Name: "root", Type: text, Doc: "The folder that holds everything, an absolute path; DSTACK_HOME/local unless written."},
		{Name: "ready_timeout", Type: text, Doc: `How long a service may take to answer on its port, as in "90s" or "10m"; 10m unless written.`},
	}
}

func readSettings(config providers.BackendConfig, o Options) (settings, error) {
	var written struct {
		Root  *string `json:"root"`
		Ready *string `json:"ready_timeout"`
	}
	invalid := func(format string, args ...any) (settings, error) {
		return settings{}, providers.Errorf(providers.Invalid, "backend "+config.Name+": "+format, args...)
	}
	if len(config.Settings) > 0 {
		in := json.NewDecoder(bytes.NewReader(config.Settings))
		in.DisallowUnknownFields()
		if err := in.Decode(&written); err != nil {
			return invalid("its settings cannot be read: %w", err)
		}
		if _, err := in.Token(); !errors.Is(err, io.EOF) {
			return invalid("its settings are more than one JSON object")
		}
	}
	s := settings{ready: o.Ready}
	switch {
	case written.Root != nil:
		if s.root = *written.Root; !filepath.IsAbs(s.root) {
			return invalid("root is %q; it must be an absolute path", s.root)
		}
		s.root = filepath.Clean(s.root)
	case config.Paths.Home != "":
		home, err := filepath.Abs(config.Paths.Home)
		if err != nil {
			return invalid("DSTACK_HOME cannot be found: %w", err)
		}
		s.root = filepath.Join(home, "local")
	default:
		home, err := os.UserHomeDir()
		if err != nil {
			return invalid("there is no home folder to keep things in: %w; set DSTACK_HOME", err)
		}
		s.root = filepath.Join(home, ".dstack", "local")
	}
	if written.Ready != nil {
		d, err := time.ParseDuration(*written.Ready)
		if err != nil || d <= 0 {
			return invalid(`ready_timeout is %q; it must be a duration such as "90s" or "10m"`, *written.Ready)
		}
		s.ready = d
	}
	return s, nil
}
