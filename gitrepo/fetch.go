package gitrepo

import (
	"errors"
	"io"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/storage"
)

// wants is what is asked of a server.
type wants struct {
	commits []plumbing.Hash
	alone   bool // without what came before them, where the server can do that
	filter  packp.Filter
}

// fetch asks for commits with all that they need, and keeps that in a storage. It ends the conversation.
func (s *session) fetch(w wants, to storage.Storer) error {
	can := s.has.Capabilities
	req := packp.NewUploadPackRequestFromCapabilities(can)
	req.Wants = slices.Clone(w.commits)
	set := func(c capability.Capability) error {
		if !can.Supports(c) || req.Capabilities.Supports(c) {
			return nil
		}
		return req.Capabilities.Set(c)
	}
	err := set(capability.NoProgress)
	if w.alone && can.Supports(capability.Shallow) {
		req.Depth = packp.DepthCommits(1)
		err = errors.Join(err, set(capability.Shallow))
	}
	if w.filter != "" && s.filters() {
		req.Filter = w.filter
		err = errors.Join(err, set(capability.Filter))
	}
	if err != nil {
		return err
	}
	res, err := s.pull(req)
	if err != nil {
		return s.explain(err)
	}
	defer res.Close()
	if !req.Depth.IsZero() {
		if err := to.SetShallow(res.Shallows); err != nil {
			return err
		}
	}
	var in io.Reader = heard{res, s}
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		in = sideband.NewDemuxer(sideband.Sideband64k, in)
	case req.Capabilities.Supports(capability.Sideband):
		in = sideband.NewDemuxer(sideband.Sideband, in)
	}
	if err := packfile.UpdateObjectStorage(to, in); err != nil {
		return s.explain(err)
	}
	return nil
}

// filters tells whether the server can leave out files.
func (s *session) filters() bool { return s.has.Capabilities.Supports(capability.Filter) }

// gives tells whether the server gives a commit that it is asked for: one that a branch or tag points to, or any that can be
// reached where it allows that.
func (s *session) gives(commit plumbing.Hash) bool {
	_, ok := s.tip(commit)
	return ok || s.has.Capabilities.Supports(capability.AllowReachableSHA1InWant) || s.has.Capabilities.Supports("allow-any-sha1-in-want")
}

// tip is what a server is asked for to give a commit that a branch or tag points to: the commit, or the annotated tag, for
// what a tag stands for cannot be asked for by its own name.
func (s *session) tip(commit plumbing.Hash) (plumbing.Hash, bool) {
	for _, h := range s.has.References {
		if h == commit {
			return h, true
		}
	}
	if s.has.Head != nil && *s.has.Head == commit {
		return commit, true
	}
	for name, h := range s.has.Peeled {
		if h == commit {
			return s.has.References[name], true
		}
	}
	return plumbing.ZeroHash, false
}

// named is what a server is asked for to give a commit.
func (s *session) named(commit plumbing.Hash) plumbing.Hash {
	if h, ok := s.tip(commit); ok {
		return h
	}
	return commit
}

// heads are the commits of all branches and tags, each once.
func (s *session) heads() []plumbing.Hash {
	seen := map[plumbing.Hash]bool{}
	var out []plumbing.Hash
	for name, h := range s.has.References {
		ref := plumbing.ReferenceName(name)
		if (ref.IsBranch() || ref.IsTag()) && !seen[h] {
			seen[h] = true
			out = append(out, h)
		}
	}
	return out
}
