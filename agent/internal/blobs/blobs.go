package blobs

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/content"
)

// Keep is how long bytes are kept that no job needs.
const Keep = 24 * time.Hour

// partial is the end of the name of what has not come as a whole.
const partial = ".part"

// Store keeps bytes under their digests, in a folder. It is safe for concurrent use; one process at a time writes there.
type Store struct {
	content.Store

	mu   sync.Mutex
	busy map[string]chan struct{} // digests that are being received
}

// New returns the store in a folder, which is made when something comes.
func New(dir string) *Store {
	return &Store{Store: content.Store(dir), busy: map[string]chan struct{}{}}
}

// Missing says which of some bytes are not there, and how many of each are. What is there counts as used now.
func (s *Store) Missing(want []api.Blob, now time.Time) ([]api.BlobPart, error) {
	missing := []api.BlobPart{}
	for _, b := range want {
		if !content.IsDigest(b.Digest) || b.Size < 0 {
			return nil, api.Errorf(api.KindInvalid, "%q with %d bytes is no digest and size", b.Digest, b.Size)
		}
		path := s.Path(b.Digest)
		err := os.Chtimes(path, now, now)
		if err == nil {
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		part := api.BlobPart{Blob: b}
		if info, err := os.Stat(path + partial); err == nil {
			part.Offset = min(info.Size(), b.Size)
		}
		missing = append(missing, part)
	}
	return missing, nil
}

// Receive keeps what a stream brings: for each blob a line of JSON, an api.BlobPart, and the bytes from its offset on.
func (s *Store) Receive(ctx context.Context, stream io.Reader) error {
	if err := os.MkdirAll(string(s.Store), 0o700); err != nil {
		return err
	}
	in := bufio.NewReaderSize(stream, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		var head api.BlobPart
		if err == nil {
			err = json.Unmarshal(line, &head)
		}
		if err != nil {
			return api.Errorf(api.KindInvalid, "the stream is not one of blobs: %v", err)
		}
		if !content.IsDigest(head.Digest) || head.Offset < 0 || head.Offset > head.Size {
			return api.Errorf(api.KindInvalid, "bytes %d to %d of %q cannot be received", head.Offset, head.Size, head.Digest)
		}
		if err := s.receive(ctx, head, in); err != nil {
			return err
		}
	}
}

// receive takes the bytes of one blob from a stream.
func (s *Store) receive(ctx context.Context, head api.BlobPart, in io.Reader) error {
	release, err := s.reserve(ctx, head.Digest)
	if err != nil {
		return err
	}
	defer release()
	in = io.LimitReader(in, head.Size-head.Offset)
	path := s.Path(head.Digest)
	if _, err := os.Stat(path); err == nil {
		_, err = io.Copy(io.Discard, in) // somebody else has sent it
		return err
	}
	f, err := os.OpenFile(path+partial, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if have < head.Offset {
		return api.Errorf(api.KindConflict, "%d bytes of %s are here, and more come from byte %d on; ask again what is missing", have, head.Digest, head.Offset)
	}
	if err := f.Truncate(head.Offset); err != nil {
		return err
	}
	if _, err := f.Seek(head.Offset, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(f, in); err != nil {
		return err
	}
	return s.finish(f, head)
}

// finish makes a blob of what has come of it, if that is all.
func (s *Store) finish(f *os.File, head api.BlobPart) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	if n < head.Size {
		return io.ErrUnexpectedEOF // the rest comes another time
	}
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != head.Digest {
		return errors.Join(api.Errorf(api.KindInvalid, "what was sent as %s is %s", head.Digest, got), os.Remove(f.Name()))
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.Name(), s.Path(head.Digest))
}

// reserve waits until nobody else receives the digest.
func (s *Store) reserve(ctx context.Context, digest string) (release func(), err error) {
	for {
		s.mu.Lock()
		other, taken := s.busy[digest]
		if !taken {
			done := make(chan struct{})
			s.busy[digest] = done
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				delete(s.busy, digest)
				s.mu.Unlock()
				close(done)
			}, nil
		}
		s.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Whole returns the list of a content, all of which must be there.
func (s *Store) Whole(digest string) (*content.Manifest, error) {
	m, err := s.Manifest(digest)
	if errors.Is(err, content.ErrManifest) {
		return nil, api.Errorf(api.KindInvalid, "content %s cannot be used: %v", digest, err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, api.Errorf(api.KindInvalid, "content %s is not here; send it first", digest)
	}
	if err != nil {
		return nil, err
	}
	for _, b := range m.Blobs() {
		if _, err := os.Stat(s.Path(b.Digest)); err != nil {
			return nil, api.Errorf(api.KindInvalid, "%s of content %s is not here; send it first", b.Digest, digest)
		}
	}
	return m, nil
}

// Used notes that contents are used now.
func (s *Store) Used(digests []string, now time.Time) {
	for name := range s.needed(digests) {
		os.Chtimes(filepath.Join(string(s.Store), name), now, now) // it only keeps them for longer
	}
}

// Sweep removes what none of the contents needs and nobody has used for as long as Keep.
func (s *Store) Sweep(inUse []string, now time.Time) error {
	list, err := os.ReadDir(string(s.Store))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look through what was sent: %w", err)
	}
	needed := s.needed(inUse)
	for _, item := range list {
		name := strings.TrimSuffix(item.Name(), partial)
		info, err := item.Info()
		if err != nil || needed[name] || now.Sub(info.ModTime()) < Keep {
			continue
		}
		if err := os.Remove(filepath.Join(string(s.Store), item.Name())); err != nil {
			return fmt.Errorf("remove what no job needs: %w", err)
		}
	}
	return nil
}

// needed are the names of the files that some contents are made of.
func (s *Store) needed(digests []string) map[string]bool {
	out := map[string]bool{}
	for _, d := range digests {
		if !content.IsDigest(d) {
			continue
		}
		out[filepath.Base(s.Path(d))] = true
		m, err := s.Manifest(d)
		if err != nil {
			continue // then nothing can be made of it
		}
		for _, b := range m.Blobs() {
			out[filepath.Base(s.Path(b.Digest))] = true
		}
	}
	return out
}
