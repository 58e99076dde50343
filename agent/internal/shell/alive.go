package shell

import (
	"context"
	"sync"
	"time"
)

// A peer is asked whether it is there once in aliveEvery, and dropped when aliveMost questions in a row were not answered.
const (
	aliveEvery = 30 * time.Second
	aliveMost  = 4
)

// asker is a connection whose other side can be asked something.
type asker interface {
	SendRequest(name string, wantReply bool, payload []byte) (bool, []byte, error)
	Close() error
}

// keepAlive closes a connection when its other side does not answer any more, and when ctx is done.
func keepAlive(ctx context.Context, conn asker) {
	ticker := time.NewTicker(aliveEvery)
	defer ticker.Stop()
	answered := make(chan error, 1)
	var question sync.WaitGroup
	defer question.Wait()
	defer conn.Close()
	asking, silent := false, 0
	for {
		select {
		case <-ctx.Done():
			return
		case err := <-answered:
			if err != nil {
				return // closed
			}
			asking, silent = false, 0
		case <-ticker.C:
			if silent == aliveMost {
				return
			}
			silent++
			if asking {
				continue // one question is enough: nobody who does not answer it answers the next
			}
			asking = true
			question.Go(func() {
				_, _, err := conn.SendRequest("keepalive@openssh.com", true, nil)
				answered <- err
			})
		}
	}
}
