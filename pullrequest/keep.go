package pullrequest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Comment is what is to stand on the pull request.
type Comment struct {
	// Marker is the last line of the body, by which the comment is found again.
	Marker string
	Body   string
}

// Options say how to go about it. The zero value is what a job wants.
type Options struct {
	Patience time.Duration // for all rate limits together; 5 minutes when it is 0, none when it is negative
	Clock    Clock         // WallClock when it is nil
	Agent    string        // what the program calls itself to the host
	Log      *slog.Logger
	// Say tells a person what takes long, or what was left alone.
	Say func(format string, args ...any)
	// Transport carries requests, http.DefaultTransport when it is nil.
	Transport http.RoundTripper
}

// Outcome is what became of a comment.
type Outcome string

// What becomes of comments.
const (
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
)

// Kept is the comment as it stands now.
type Kept struct {
	Outcome Outcome
	ID      int64
	URL     string // empty when the host does not tell it
}

// comment is one that stands on the pull request.
type comment struct {
	id     int64
	author int64
	login  string
	app    bool // its author is a program
	body   string
	url    string
}

// conversation is what a host can do with the comments of one pull request. Each call is made once; what a host refuses
// is an *answer.
type conversation interface {
	// page gives a page of comments, the first is 1, and the number of the next, 0 after the last.
	page(ctx context.Context, n int) ([]comment, int, error)
	// self is the account that the token belongs to.
	self(ctx context.Context) (int64, error)
	create(ctx context.Context, body string) (comment, error)
	update(ctx context.Context, id int64, body string) (comment, error)
	remove(ctx context.Context, id int64) error
}

// keeper keeps one comment.
type keeper struct {
	patience
	place   Place
	with    conversation
	comment Comment

	me    int64 // 0 as long as it is not known
	asked bool
	told  map[int64]bool // comments of others that were mentioned
}

// Keep makes the comment, or changes the one that an earlier run made. Errors are diagnostics that say what to do.
func Keep(ctx context.Context, at Place, c Comment, o Options) (Kept, error) {
	if o.Clock == nil {
		o.Clock = WallClock{}
	}
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Patience == 0 {
		o.Patience = defaultWait
	}
	with, err := converse(at, client(at, o), o)
	if err != nil {
		return Kept{}, err
	}
	k := &keeper{
		patience: patience{clock: o.Clock, left: o.Patience, say: o.Say, host: at.Host},
		place:    at, with: with, comment: c, told: map[int64]bool{},
	}
	kept, err := k.keep(ctx)
	if err != nil {
		return Kept{}, k.explain(err)
	}
	if kept.URL == "" && at.Web != "" {
		kept.URL = fmt.Sprintf("%s#note_%d", at.Web, kept.ID)
	}
	return kept, nil
}

func converse(at Place, client *http.Client, o Options) (conversation, error) {
	if at.Host == GitLab {
		return newGitLab(at, client, o)
	}
	return newGitHub(at, client, o)
}

// keep goes round until the comment stands. It goes round again when what it saw was changed under its hands: somebody
// removed the comment, or it is not known whether the host has made it.
func (k *keeper) keep(ctx context.Context) (Kept, error) {
	var trouble error
	perhaps := false // a comment was made, as far as one knows
	for round := range tries {
		if round > 0 {
			if err := k.clock.Sleep(ctx, time.Second<<(round-1)); err != nil {
				return Kept{}, err
			}
		}
		mine, err := k.mine(ctx)
		if err != nil {
			return Kept{}, err
		}
		var made comment
		if len(mine) == 0 {
			err := k.try(ctx, false, func() (err error) {
				made, err = k.with.create(ctx, k.comment.Body)
				return err
			})
			if a, ok := errors.AsType[*answer](err); ok && a.passing() && ctx.Err() == nil {
				trouble, perhaps = err, true
				continue
			}
			if err != nil {
				return Kept{}, err
			}
			// Another run may have begun at the same time. Whoever looks second sees both.
			if mine, err = k.mine(ctx); err != nil {
				return Kept{}, err
			}
			if len(mine) == 0 || mine[0].id >= made.id {
				return Kept{Created, made.id, made.url}, nil
			}
		}
		kept, err := k.bring(ctx, mine, made.id)
		if a, ok := errors.AsType[*answer](err); ok && a.status == http.StatusNotFound {
			trouble = err // somebody has removed it meanwhile
			continue
		}
		if perhaps && kept.Outcome == Unchanged {
			kept.Outcome = Created
		}
		return kept, err
	}
	return Kept{}, trouble
}

// bring brings the oldest comment up to date and removes the others, which runs made at the same time,
// this one among them if it made one.
func (k *keeper) bring(ctx context.Context, mine []comment, made int64) (Kept, error) {
	stands := mine[0]
	kept := Kept{Unchanged, stands.id, stands.url}
	if !same(stands.body, k.comment.Body) {
		err := k.try(ctx, true, func() error {
			c, err := k.with.update(ctx, stands.id, k.comment.Body)
			if err == nil {
				kept = Kept{Updated, c.id, c.url}
			}
			return err
		})
		if err != nil {
			return Kept{}, err
		}
	}
	for _, c := range mine[1:] {
		if k.me == 0 && c.id != made {
			continue // it is not certain whose it is
		}
		err := k.try(ctx, true, func() error { return k.with.remove(ctx, c.id) })
		if a, ok := errors.AsType[*answer](err); ok && a.status != http.StatusNotFound {
			k.say("An older comment of this plan, %d, cannot be removed: %s.", c.id, k.clean(a.Error()))
		}
	}
	return kept, ctx.Err()
}

// mine lists the comments that runs with this token made for this configuration, the oldest first.
func (k *keeper) mine(ctx context.Context) ([]comment, error) {
	var marked []comment
	for page := 1; page > 0; {
		var next int
		err := k.try(ctx, true, func() error {
			var list []comment
			var err error
			if list, next, err = k.with.page(ctx, page); err != nil {
				return err
			}
			for _, c := range list {
				if lastLine(c.body) == k.comment.Marker {
					marked = append(marked, c)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if next != 0 && next <= page {
			return nil, &answer{status: http.StatusOK, message: fmt.Sprintf("page %d of the comments is followed by page %d", page, next)}
		}
		page = next
	}
	if len(marked) == 0 {
		return nil, nil
	}
	if err := k.learnSelf(ctx); err != nil {
		return nil, err
	}
	var mine []comment
	for _, c := range marked {
		// Only tokens of programs do not tell whose they are, so that what people wrote is not ours then.
		if k.me != 0 && c.author == k.me || k.me == 0 && c.app {
			mine = append(mine, c)
		} else if !k.told[c.id] {
			k.told[c.id] = true
			k.say("Comment %d has the mark of this plan, and was written by %s: it is left alone.", c.id, k.clean(c.login))
		}
	}
	return mine, nil
}

// learnSelf asks once whose the token is.
func (k *keeper) learnSelf(ctx context.Context) error {
	if k.asked {
		return nil
	}
	err := k.try(ctx, true, func() (err error) {
		k.me, err = k.with.self(ctx)
		return err
	})
	if a, ok := errors.AsType[*answer](err); ok && !a.passing() && k.place.Host == GitHub {
		err = nil // not every token may ask
	}
	k.asked = err == nil
	return err
}

// lastLine is the last line on which something stands.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}

// same compares texts as hosts keep them: their ends and ends of lines may differ.
func same(a, b string) bool {
	norm := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")) }
	return norm(a) == norm(b)
}
