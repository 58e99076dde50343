package launch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/launch"
	"github.com/dstackai/dstack-planner/providers/wire"
	"github.com/dstackai/dstack-planner/schema"
)

// TestMain makes this binary a provider when it is called like one.
func TestMain(m *testing.M) {
	if name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), "dstack-provider-"); ok {
		os.Exit(wire.Serve(context.Background(), echo{name}))
	}
	os.Exit(m.Run())
}

// echo is a provider of volumes that tells about its process.
type echo struct{ name string }

func (e echo) Describe(context.Context) (providers.Description, error) {
	d := providers.Description{Name: e.name, Version: "1.0.0", Protocol: providers.Protocol, Kinds: []string{"volume"}}
	switch e.name {
	case "asking":
		d.Environment = []string{"ECHO_TOKEN", "ECHO_X_*"}
	case "liar":
		d.Name = "honest"
	case "future":
		d.Protocol = providers.Protocol + 1
	}
	return d, nil
}

func (e echo) Open(_ context.Context, config providers.BackendConfig) (providers.Backend, error) {
	return echoBackend{config}, nil
}

type echoBackend struct{ config providers.BackendConfig }

func (b echoBackend) Identity() string                               { return "this machine" }
func (b echoBackend) Instances() providers.Resource[schema.Instance] { return nil }
func (b echoBackend) Volumes() providers.Resource[schema.Volume]     { return echoVolumes(b) }
func (b echoBackend) Gateways() providers.Resource[schema.Gateway]   { return nil }
func (b echoBackend) Jobs() providers.Resource[schema.Job]           { return nil }
func (b echoBackend) Supports() providers.Resource[schema.Support]   { return nil }
func (b echoBackend) Close() error                                   { return nil }

type (
	volume  = providers.Object[schema.Volume]
	opV     = providers.Op[schema.Volume]
	reportV = providers.Report[schema.Volume]
)

type echoVolumes struct{ config providers.BackendConfig }

func (v echoVolumes) Create(ctx context.Context, op opV, report reportV) (volume, error) {
	switch op.Planned.Name {
	case "pid":
		return volume{ID: strconv.Itoa(os.Getpid())}, nil
	case "environment":
		return volume{ID: strings.Join(os.Environ(), "\n")}, nil
	case "backend":
		return volume{ID: v.config.Name + " " + string(v.config.Settings)}, nil
	case "program":
		self, err := os.Readlink("/proc/self/exe")
		return volume{ID: self}, err
	case "crash":
		fmt.Fprintln(os.Stderr, "these are my last words")
		wire.Logger(os.Stderr).Error("a bad thing", "addr", op.Address)
		panic("crash")
	case "crash after report":
		_ = report(providers.Progress[schema.Volume]{Phase: "half way"})
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "wait":
		_ = report(providers.Progress[schema.Volume]{Phase: "waiting"})
		<-ctx.Done()
		return volume{}, ctx.Err()
	}
	return volume{ID: "vol"}, nil
}

func (echoVolumes) Plan(context.Context, []providers.Change) ([]providers.Planned, error) {
	return nil, nil
}

func (echoVolumes) Update(_ context.Context, prior volume, _ opV, _ reportV) (volume, error) {
	return prior, nil
}
func (echoVolumes) Delete(context.Context, volume, opV, reportV) error { return nil }
func (echoVolumes) Read(context.Context, []volume, func(int, providers.Observed[schema.Volume])) error {
	return nil
}

func (echoVolumes) Find(context.Context, []string) ([]providers.Found[schema.Volume], error) {
	return nil, nil
}

func (echoVolumes) List(context.Context, string) ([]providers.Found[schema.Volume], error) {
	return nil, nil
}

// install makes this binary a provider of that name in dir.
func install(t testing.TB, dir string, names ...string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, name := range names {
		require.NoError(t, os.Symlink(self, filepath.Join(dir, "dstack-provider-"+name)))
	}
}

// house is a folder with a dstack and its providers, and a DSTACK_HOME.
func house(t testing.TB, names ...string) launch.Options {
	t.Helper()
	root := t.TempDir()
	install(t, filepath.Join(root, "bin"), names...)
	return launch.Options{
		Program: filepath.Join(root, "bin", "dstack"), Home: filepath.Join(root, "home"),
		Environ: []string{"HOME=" + root, "TMPDIR=" + os.TempDir(), "CANARY=secret"},
	}
}

func launcher(t testing.TB, options launch.Options) *launch.Launcher {
	t.Helper()
	l := launch.New(options)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func open(t testing.TB, l *launch.Launcher, name string) providers.Backend {
	t.Helper()
	p, err := l.Start(context.Background(), name)
	require.NoError(t, err)
	b, err := p.Open(context.Background(), providers.BackendConfig{Name: "lab", Settings: []byte(`{"a":1}`)})
	require.NoError(t, err)
	return b
}

// ask makes a volume of that name and returns what the provider says.
func ask(b providers.Backend, name string) (string, error) {
	made, err := b.Volumes().Create(context.Background(), opV{Address: "volume." + name, Planned: schema.Volume{Name: name}}, nil)
	return made.ID, err
}

func TestProvidersAreSharedAndEndTogether(t *testing.T) {
	l := launcher(t, house(t, "one", "two"))
	var wg sync.WaitGroup
	pids := make([]string, 6)
	for i := range pids {
		wg.Go(func() {
			b := open(t, l, []string{"one", "two"}[i%2])
			pids[i], _ = ask(b, "pid")
		})
	}
	wg.Wait()
	require.Equal(t, pids[0], pids[2])
	require.Equal(t, pids[1], pids[3])
	require.NotEqual(t, pids[0], pids[1])
	require.NoError(t, l.Close())
	for _, pid := range pids[:2] {
		n, err := strconv.Atoi(pid)
		require.NoError(t, err)
		require.ErrorIs(t, syscall.Kill(n, 0), syscall.ESRCH)
	}
	_, err := l.Start(context.Background(), "one")
	require.ErrorIs(t, err, launch.ErrClosed)
}

func TestDescribeStartsNothingThatIsKnown(t *testing.T) {
	options := house(t, "one")
	d, err := launcher(t, options).Describe(context.Background(), "one")
	require.NoError(t, err)
	require.Equal(t, "1.0.0", d.Version)

	// A program that would not start any more still has its description, by its checksum.
	options.Environ = nil
	path := filepath.Join(filepath.Dir(options.Program), "dstack-provider-one")
	l := launcher(t, options)
	again, err := l.Describe(context.Background(), "one")
	require.NoError(t, err)
	require.Equal(t, d, again)

	// Another program under that name is another matter.
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nexit 9\n"), 0o755))
	_, err = launcher(t, options).Describe(context.Background(), "one")
	require.ErrorContains(t, err, "exit status 9")
}

func TestDamagedCacheIsNoError(t *testing.T) {
	options := house(t, "one")
	want, err := launcher(t, options).Describe(context.Background(), "one")
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(options.Home, "cache", "providers", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		require.NoError(t, os.WriteFile(f, []byte(`{"name":`), 0o600))
	}
	got, err := launcher(t, options).Describe(context.Background(), "one")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestMissingProgramSaysWhereItWasLookedFor(t *testing.T) {
	options := house(t, "local")
	options.PluginDir = filepath.Join(t.TempDir(), "extra")
	_, err := launcher(t, options).Start(context.Background(), "locl")
	missing, ok := errors.AsType[*launch.NotFoundError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "local", missing.Similar)
	require.Len(t, missing.Looked, 3)
	for _, want := range []string{`there is no provider "locl"; did you mean "local"?`, "beside dstack", options.PluginDir, filepath.Join(options.Home, "plugins"), "DSTACK_PLUGIN_DIR"} {
		require.ErrorContains(t, err, want)
	}
	for _, name := range []string{"", "../local", "Local", "a/b", "a b", strings.Repeat("a", 80)} {
		_, err := launcher(t, options).Start(context.Background(), name)
		require.Equal(t, providers.Invalid, providers.KindOf(err), "%q: %v", name, err)
	}
}

func TestNamesListsEachProviderOnce(t *testing.T) {
	options := house(t, "local", "aws")
	options.PluginDir = t.TempDir()
	install(t, options.PluginDir, "aws", "mine")
	require.NoError(t, os.WriteFile(filepath.Join(options.PluginDir, "dstack-provider-text"), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(options.PluginDir, "dstack-provider-folder"), 0o700))
	require.Equal(t, []string{"aws", "local", "mine"}, launcher(t, options).Names())
}

func TestEnvironmentIsTheBaseAndWhatIsAskedFor(t *testing.T) {
	options := house(t, "one", "asking")
	options.Environ = append(options.Environ, "ECHO_TOKEN=t", "ECHO_X_A=a", "ECHO_Y=y", "LC_ALL=C", "https_proxy=p", "NO_PROXY=n",
		"SSL_CERT_FILE=f", "DSTACK_HOME=/elsewhere", "DSTACK_LOG=debug", "DSTACK_VAR_secret=s", "PATHOLOGY=p", "AWS_SECRET_ACCESS_KEY=k")
	for name, c := range map[string]struct{ more []string }{
		"one":    {},
		"asking": {[]string{"ECHO_TOKEN=t", "ECHO_X_A=a"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, run := range []string{"the description is not known", "the description is cached"} {
				l := launcher(t, options)
				said, err := ask(open(t, l, name), "environment")
				require.NoError(t, err)
				var got []string
				for line := range strings.Lines(said) {
					if line = strings.TrimSpace(line); !strings.HasPrefix(line, "PLUGIN_") && !strings.HasPrefix(line, "DSTACK_PROVIDER_HOST=") {
						got = append(got, line)
					}
				}
				want := append([]string{options.Environ[0], options.Environ[1], "LC_ALL=C", "https_proxy=p", "NO_PROXY=n", "SSL_CERT_FILE=f",
					"DSTACK_LOG=debug", "DSTACK_HOME=" + options.Home}, c.more...)
				require.ElementsMatch(t, want, got, run)
			}
		})
	}
}

func TestCrashFailsItsOwnCallsAndIsRestarted(t *testing.T) {
	l := launcher(t, house(t, "one", "two"))
	one, two := open(t, l, "one"), open(t, l, "two")
	before, err := ask(one, "pid")
	require.NoError(t, err)

	other := make(chan error)
	ctx, stop := context.WithCancel(context.Background())
	started := make(chan struct{})
	go func() {
		_, err := two.Volumes().Create(ctx, opV{Planned: schema.Volume{Name: "wait"}}, func(providers.Progress[schema.Volume]) error {
			close(started)
			return nil
		})
		other <- err
	}()
	<-started

	_, err = ask(one, "crash")
	require.Equal(t, providers.Internal, providers.KindOf(err))
	for _, want := range []string{`provider "one"`, "these are my last words", "a bad thing addr=volume.crash", "panic: crash"} {
		require.ErrorContains(t, err, want)
	}
	stop()
	require.ErrorIs(t, <-other, context.Canceled, "the other provider's call went on until it was canceled")

	after, err := ask(one, "pid")
	require.NoError(t, err, "the next call starts it again and opens its backend")
	require.NotEqual(t, before, after)
	config, err := ask(one, "backend")
	require.NoError(t, err)
	require.Equal(t, `lab {"a":1}`, config)
}

func TestRestartsAreBounded(t *testing.T) {
	l := launcher(t, house(t, "one"))
	b := open(t, l, "one")
	for range 4 {
		_, err := ask(b, "crash after report")
		require.ErrorContains(t, err, "signal: killed")
	}
	_, err := ask(b, "pid")
	require.ErrorContains(t, err, `provider "one" has ended 4 times and is not started again`)
}

func TestProgramsFromElsewhereMustBePinned(t *testing.T) {
	options := house(t)
	options.PluginDir = t.TempDir()
	install(t, options.PluginDir, "mine")
	path := filepath.Join(options.PluginDir, "dstack-provider-mine")

	_, err := launcher(t, options).Start(context.Background(), "mine")
	unpinned, ok := errors.AsType[*launch.UnpinnedError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, path, unpinned.Path)
	require.Len(t, unpinned.SHA256, 64)

	refused := errors.New("checksum differs from the pinned one")
	options.Verify = func(string, string) error { return refused }
	_, err = launcher(t, options).Describe(context.Background(), "mine")
	require.ErrorIs(t, err, refused)

	options.Verify = func(p, sum string) error {
		if p != path || sum != unpinned.SHA256 {
			return refused
		}
		// Whoever replaces the program now is too late.
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.WriteFile(path, []byte("#!/bin/sh\nexit 1\n"), 0o755)
	}
	l := launcher(t, options)
	b := open(t, l, "mine")
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		ran, err := ask(b, "program")
		require.NoError(t, err)
		require.NotEqual(t, path, ran, "it runs from the copy that was verified")
	}
	_, err = ask(b, "crash after report")
	require.Error(t, err)
	_, err = ask(b, "pid")
	require.NoError(t, err, "also when it is started again")
}

func TestDescriptionsThatCannotBeRightAreRefused(t *testing.T) {
	l := launcher(t, house(t, "liar", "future"))
	for name, want := range map[string]string{
		"liar":   `says that it is provider "honest"`,
		"future": "speaks protocol 2; this dstack speaks 1",
	} {
		_, err := l.Describe(context.Background(), name)
		require.ErrorContains(t, err, want)
	}
}
