package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/dockertest"
)

// TestDockerScripts runs each script of testdata/docker against the real programs and a Docker Engine of its own, which has the
// image lab/box:1, a static busybox.
func TestDockerScripts(t *testing.T) {
	e := dockertest.Start(t, dockertest.Options{})
	e.Import("lab/box:1", dockertest.Busybox(t), "ENV PATH=/bin")
	p := scripts(t, "testdata/docker")
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("DOCKER_HOST", e.Host)
		return setup(env)
	}
	t.Cleanup(func() { require.Empty(t, e.Containers(), "containers are left") })
	testscript.Run(t, p)
}
