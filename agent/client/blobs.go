package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/content"
)

// Missing says which blobs the agent does not have, and how much of each it has.
func (c *Client) Missing(ctx context.Context, want []api.Blob) ([]api.BlobPart, error) {
	var a api.BlobAnswer
	err := c.call(ctx, http.MethodPost, "/v1/blobs/missing", nil, api.BlobQuery{Blobs: want}, &a)
	return a.Missing, err
}

// Send sends the rest of blobs, as Missing has listed them, from a folder that has them. sent is told how many bytes are
// under way so far, from one goroutine.
func (c *Client) Send(ctx context.Context, parts []api.BlobPart, from content.Store, sent func(bytes int64) error) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(stream(w, parts, from, sent))
	}()
	err := c.call(ctx, http.MethodPost, "/v1/blobs", nil, r, nil)
	r.CloseWithError(io.ErrClosedPipe) // an agent that refuses does not read to the end
	<-done
	return err
}

func stream(w io.Writer, parts []api.BlobPart, from content.Store, sent func(int64) error) error {
	var total int64
	head := json.NewEncoder(w)
	buffer := make([]byte, 256<<10)
	for _, p := range parts {
		if err := head.Encode(p); err != nil {
			return err
		}
		f, err := os.Open(from.Path(p.Digest))
		if err != nil {
			return err
		}
		_, err = f.Seek(p.Offset, io.SeekStart)
		for left := p.Size - p.Offset; err == nil && left > 0; {
			var n int
			n, err = io.ReadFull(f, buffer[:min(left, int64(len(buffer)))])
			if err != nil {
				err = fmt.Errorf("read %s: %w", p.Digest, err)
				break
			}
			if _, err = w.Write(buffer[:n]); err != nil {
				break
			}
			left -= int64(n)
			total += int64(n)
			err = sent(total)
		}
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
