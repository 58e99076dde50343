package apply

import (
	"context"
	"errors"
	"sync"

	"github.com/dstackai/dstack-planner/statefile"
)

var errBroken = errors.New("the disk is gone")

// breaking is a session that breaks at its append number left: that one and all later ones fail. With late the records
// of that one are there nevertheless.
type breaking struct {
	statefile.Session
	mu   sync.Mutex
	left int
	late bool
}

func (b *breaking) Append(ctx context.Context, records ...statefile.Record) error {
	b.mu.Lock()
	b.left--
	left := b.left
	b.mu.Unlock()
	if left > 0 || left == 0 && b.late {
		if err := b.Session.Append(ctx, records...); err != nil || left > 0 {
			return err
		}
	}
	return errBroken
}

func (b *breaking) broke() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left <= 0
}
