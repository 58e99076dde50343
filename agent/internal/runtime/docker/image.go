package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/runtime"
)

// image is what is known of an image that is on the machine.
type image struct {
	id   string
	argv []string // what it runs
	dir  string   // where, unless the job says
}

// image finds the image on the machine, or pulls it. One that is named by its digest, or by a tag that says which version it is, is
// pulled only if it is not there; "latest" is asked for each time, and the one that is there does if it cannot be had.
func (e *engine) image(ctx context.Context, t runtime.Task, h runtime.Host) (image, error) {
	c := t.Spec.Container
	named, err := reference.ParseNormalizedNamed(c.Image)
	if err != nil {
		return image{}, fmt.Errorf("image %q is no name of an image: %w", c.Image, err)
	}
	named = reference.TagNameOnly(named)
	have, err := e.inspect(ctx, named.String())
	if err != nil && !errdefs.IsNotFound(err) {
		return image{}, err
	}
	there := err == nil
	if there && !changes(named) {
		return have, nil
	}
	if !there {
		if err := bring(t.Dir, named.String()); err != nil {
			return image{}, err
		}
	}
	if err := e.pull(ctx, named, c.RegistryAuth, h.Pulling); err != nil {
		if ctx.Err() != nil || !there {
			return image{}, err
		}
		text := fmt.Sprintf("image %s is used as it is on this machine: %v", c.Image, err)
		return have, h.Log.Write(api.StreamAgent, []byte(text), false)
	}
	now, err := e.inspect(ctx, named.String())
	if err == nil && there && now.id != have.id && brought(t.Dir, named.String()) {
		err = bring(t.Dir, have.id) // it has no name any more, and is still ours
	}
	return now, err
}

// changes reports whether a name may mean another image tomorrow.
func changes(n reference.Named) bool {
	if _, ok := n.(reference.Digested); ok {
		return false
	}
	tagged, ok := n.(reference.Tagged)
	return ok && tagged.Tag() == "latest"
}

func (e *engine) inspect(ctx context.Context, name string) (image, error) {
	var r client.ImageInspectResult
	err := e.ask(ctx, "image "+name, func(ctx context.Context) (err error) {
		r, err = e.ImageInspect(ctx, name)
		return err
	})
	if err != nil {
		return image{}, err
	}
	out := image{id: r.ID, dir: "/"}
	if r.Config != nil {
		out.dir = cmp.Or(r.Config.WorkingDir, out.dir)
		out.argv = append(append(out.argv, r.Config.Entrypoint...), r.Config.Cmd...)
	}
	return out, nil
}

// pull pulls an image and tells how far that is.
func (e *engine) pull(ctx context.Context, named reference.Named, auth *api.RegistryAuth, tell func(string)) error {
	name := reference.FamiliarString(named)
	bounded, cancel := context.WithTimeout(ctx, e.waits.Pull)
	defer cancel()
	var o client.ImagePullOptions
	if auth != nil {
		encoded, err := authconfig.Encode(registry.AuthConfig{Username: auth.Username, Password: auth.Password, ServerAddress: reference.Domain(named)})
		if err != nil {
			return fmt.Errorf("encode the credentials of image %s: %w", name, err)
		}
		o.RegistryAuth = encoded
	}
	tell("pulling " + name)
	err := e.stream(bounded, named.String(), o, func(p *progress) { tell("pulling " + name + ": " + p.String()) })
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case bounded.Err() != nil:
		return fmt.Errorf("image %s was not pulled within %s", name, e.waits.Pull)
	}
	if err := e.explain(err); errors.As(err, new(*explained)) {
		return err
	}
	return explainPull(name, auth != nil, err)
}

func (e *engine) stream(ctx context.Context, name string, o client.ImagePullOptions, seen func(*progress)) error {
	r, err := e.ImagePull(ctx, name, o)
	if err != nil {
		return err
	}
	defer r.Close()
	p := &progress{layers: make(map[string]*layer)}
	var last time.Time
	for m, err := range r.JSONMessages(ctx) {
		if err != nil {
			return err
		}
		if m.Error != nil {
			return m.Error
		}
		if p.add(m) && time.Since(last) > time.Second {
			last = time.Now()
			seen(p)
		}
	}
	return nil
}

// progress adds up what Docker says of the layers of an image.
type progress struct {
	layers map[string]*layer
}

type layer struct {
	got, size        int64
	loaded, unpacked bool
}

// add takes in a message; it is false if nothing has changed by it.
func (p *progress) add(m jsonstream.Message) bool {
	if m.ID == "" {
		return false
	}
	l := p.layers[m.ID]
	if l == nil {
		l = &layer{}
		p.layers[m.ID] = l
	}
	switch {
	case m.Status == "Downloading" && m.Progress != nil:
		l.got, l.size = m.Progress.Current, max(l.size, m.Progress.Total)
	case m.Status == "Download complete", m.Status == "Verifying Checksum":
		l.got, l.loaded = l.size, true
	case m.Status == "Extracting" && m.Progress != nil:
		l.got, l.loaded = l.size, true
	case m.Status == "Pull complete", m.Status == "Already exists":
		l.got, l.loaded, l.unpacked = l.size, true, true
	default:
		return false
	}
	return true
}

// String says how much is there and what is left to do.
func (p *progress) String() string {
	var got, size int64
	loading, unpacking := 0, 0
	for _, l := range p.layers {
		got, size = got+l.got, size+l.size
		switch {
		case !l.loaded:
			loading++
		case !l.unpacked:
			unpacking++
		}
	}
	switch {
	case loading > 0 && size > 0:
		return fmt.Sprintf("%s of %s", bytesText(got), bytesText(size))
	case unpacking > 0:
		return bytesText(size) + ", unpacking"
	}
	return bytesText(size)
}

// bytesText writes a size as people read it.
func bytesText(n int64) string {
	const unit = 1000
	units := "kMGTP"
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n) / unit
	for v >= unit && len(units) > 1 {
		v, units = v/unit, units[1:]
	}
	return strings.Replace(fmt.Sprintf("%.1f %cB", v, units[0]), ".0 ", " ", 1)
}
