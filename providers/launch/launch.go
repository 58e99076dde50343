package launch

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/dstackai/dstack-planner/providers"
)

// Options say where providers are and under what conditions they run. The zero value looks beside the running program,
// passes on the process's own environment as far as the package allows, and trusts nothing else.
type Options struct {
	Program   string   // the running dstack, whose folder holds the providers that belong to it; "": this process's program
	PluginDir string   // DSTACK_PLUGIN_DIR; "": none
	Home      string   // DSTACK_HOME; "": no plugins and no cache
	Environ   []string // what is selected from; nil: os.Environ()
	// Verify says whether a program from elsewhere may run: it returns nil if the checksum is pinned. nil: none may.
	Verify func(path, sha256 string) error
	Log    *slog.Logger // where the providers' log lines go; nil: nowhere
}

// Launcher finds and runs providers. All methods may be called concurrently.
type Launcher struct {
	options Options
	cache   cache
	closing context.Context
	cancel  context.CancelFunc

	mu      sync.Mutex
	handles map[string]*handle
}

// New returns a launcher that has started nothing yet.
func New(options Options) *Launcher {
	if options.Program == "" {
		options.Program, _ = os.Executable() // without it there is one place less to look
	}
	if real, err := filepath.EvalSymlinks(options.Program); err == nil {
		options.Program = real
	}
	if options.Environ == nil {
		options.Environ = os.Environ()
	}
	l := &Launcher{options: options, handles: map[string]*handle{}}
	if options.Home != "" {
		l.cache.dir = filepath.Join(options.Home, "cache", "providers")
	}
	l.closing, l.cancel = context.WithCancel(context.Background())
	return l
}

// Describe says what a provider is. A program that is known is not started for it.
func (l *Launcher) Describe(ctx context.Context, name string) (providers.Description, error) {
	return l.handle(name).describe(ctx)
}

// Start returns the provider of that name once it runs. All callers share one process.
func (l *Launcher) Start(ctx context.Context, name string) (providers.Provider, error) {
	h := l.handle(name)
	if _, err := h.connect(ctx); err != nil {
		return nil, err
	}
	return launched{h.client, h}, nil
}

func (l *Launcher) handle(name string) *handle {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.handles[name]
	if !ok {
		h = newHandle(l, name)
		l.handles[name] = h
	}
	return h
}

// Close ends all providers, each gracefully if it can, and returns when none of them is left. Nothing can be started
// afterwards.
func (l *Launcher) Close() error {
	l.cancel()
	l.mu.Lock()
	handles := make([]*handle, 0, len(l.handles))
	for _, h := range l.handles {
		handles = append(handles, h)
	}
	l.mu.Unlock()
	errs := make([]error, len(handles))
	var wg sync.WaitGroup
	for i, h := range handles {
		wg.Go(func() { errs[i] = h.close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
