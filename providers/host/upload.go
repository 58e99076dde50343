package host

import (
	"context"
	"errors"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/content"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// contents are the code and files of a job in the agent's words.
func contents(job schema.Job) []api.Content {
	var out []api.Content
	if job.Repo != nil && job.Repo.Digest != "" {
		out = append(out, api.Content{Digest: job.Repo.Digest})
	}
	for _, f := range job.Files {
		out = append(out, api.Content{Digest: f.Digest, Path: f.Path, File: true})
	}
	return out
}

// repo is the repository of a job in the agent's words. Who asks for more than one branch gets all that came before, too.
func repo(job schema.Job) *api.Repo {
	r := job.Repo
	if r == nil || r.URL == "" {
		return nil
	}
	return &api.Repo{URL: r.URL, Commit: r.Commit, Branch: r.Branch, History: !job.SingleBranch, Username: r.Username, Token: r.Token, PrivateKey: r.PrivateKey, KnownHosts: r.KnownHosts}
}

// sends is how often what is missing is sent before that is given up: a connection may break, and somebody else may be
// sending the same.
const sends = 5

// tellEvery is how often the progress of an upload is told.
const tellEvery = 100 * time.Millisecond

// Upload sends to an agent what it does not have yet of some contents. It goes on where an earlier upload ended. report is
// told how many bytes of how many are there; nothing is told where nothing is missing.
func Upload(ctx context.Context, c *client.Client, from content.Store, contents []api.Content, report func(done, total int64) error) error {
	if len(contents) == 0 {
		return nil
	}
	want, err := blobsOf(from, contents)
	if err != nil {
		return err
	}
	var stopped error
	for range sends {
		var missing []api.BlobPart
		if missing, err = c.Missing(ctx, want); err != nil {
			return Error(err)
		}
		if len(missing) == 0 {
			return nil
		}
		err = c.Send(ctx, missing, from, counted(want, missing, report, &stopped))
		switch {
		case stopped != nil:
			return stopped
		case ctx.Err() != nil:
			return Error(ctx.Err())
		}
		if e, ok := errors.AsType[*api.Error](err); ok && e.Kind != api.KindConflict {
			return Error(err)
		}
	}
	if err == nil {
		err = errors.New("what was sent is missing still")
	}
	return providers.Errorf(providers.Transient, "the job's files cannot be sent: %w", err)
}

// blobsOf lists all that contents are made of.
func blobsOf(from content.Store, contents []api.Content) ([]api.Blob, error) {
	var out []api.Blob
	seen := map[string]bool{}
	add := func(b api.Blob) {
		if !seen[b.Digest] {
			seen[b.Digest] = true
			out = append(out, b)
		}
	}
	for _, c := range contents {
		if from == "" {
			return nil, providers.Errorf(providers.Internal, "the job needs content %s, and was given none", c.Digest)
		}
		m, err := from.Manifest(c.Digest)
		if err != nil {
			return nil, providers.Errorf(providers.Internal, "the job needs content %s: %w", c.Digest, err)
		}
		for _, b := range m.Blobs() {
			add(api.Blob{Digest: b.Digest, Size: b.Size})
		}
		add(api.Blob{Digest: c.Digest, Size: int64(len(m.Encode()))})
	}
	return out, nil
}

// counted tells report about an upload, now and then and at its end.
func counted(want []api.Blob, missing []api.BlobPart, report func(done, total int64) error, stopped *error) func(int64) error {
	var total, left int64
	for _, b := range want {
		total += b.Size
	}
	for _, p := range missing {
		left += p.Size - p.Offset
	}
	var told time.Time
	return func(sent int64) error {
		if now := time.Now(); sent < left && now.Sub(told) < tellEvery {
			return nil
		} else {
			told = now
		}
		*stopped = report(total-left+sent, total)
		return *stopped
	}
}
