package shell

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// peer is a connection whose other side answers until it does not any more.
type peer struct {
	silentFrom int // the number of the first question that is not answered
	asked      int
	closed     chan struct{}
}

func (p *peer) SendRequest(string, bool, []byte) (bool, []byte, error) {
	p.asked++
	if p.asked >= p.silentFrom {
		<-p.closed
		return false, nil, errors.New("closed")
	}
	time.Sleep(time.Second) // far away
	return false, nil, nil
}

func (p *peer) Close() error {
	close(p.closed)
	return nil
}

func TestKeepAlive(t *testing.T) {
	for name, tt := range map[string]struct {
		silentFrom int
		dropped    time.Duration
	}{
		"a peer that never answers":           {1, 150 * time.Second},
		"a peer that is gone after an hour":   {121, time.Hour + 150*time.Second},
		"a peer that answers, if only slowly": {1000, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour-10*time.Second)
				defer cancel()
				p := &peer{silentFrom: tt.silentFrom, closed: make(chan struct{})}
				keepAlive(ctx, p)
				if tt.dropped == 0 {
					require.Equal(t, 2*time.Hour-10*time.Second, time.Since(start))
					return
				}
				<-p.closed
				require.Equal(t, tt.dropped, time.Since(start))
			})
		})
	}
}

func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var saved []Seen
		p := NewPresence(Seen{Since: begun}, begun, func(s Seen) { saved = append(saved, s) })
		alone := func() time.Duration {
			since, ok := p.Alone()
			if !ok {
				return -1
			}
			return time.Since(since)
		}
		time.Sleep(time.Minute)
		require.Equal(t, time.Minute, alone())
		first := p.Enter()
		second := p.Enter()
		time.Sleep(time.Hour)
		first()
		require.Equal(t, time.Duration(-1), alone(), "one is there")
		time.Sleep(time.Minute)
		second()
		time.Sleep(90 * time.Second)
		require.Equal(t, 90*time.Second, alone())
		want := []Seen{{true, begun.UTC()}, {false, begun.Add(62 * time.Minute).UTC()}}
		require.Empty(t, cmp.Diff(want, saved))
	})
}

func TestPresenceAfterARestart(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tt := range map[string]struct {
		before Seen
		want   time.Time
	}{
		"nobody was there":  {Seen{Since: at}, at},
		"somebody was, and": {Seen{Present: true, Since: at}, at.Add(time.Hour)},
	} {
		since, ok := NewPresence(tt.before, at.Add(time.Hour), func(Seen) {}).Alone()
		require.True(t, ok, name)
		require.Equal(t, tt.want, since, name)
	}
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		p := NewPresence(Seen{Since: begun}, begun, func(Seen) {})
		over := make(chan time.Duration, 1)
		go func() {
			if limit, err := p.Await(t.Context()); err == nil && limit == 10*time.Minute {
				over <- time.Since(begun)
			}
		}()
		time.Sleep(time.Hour)
		p.Begin(begun.Add(time.Minute))
		p.Begin(begun.Add(time.Hour))
		p.Limit(time.Hour)
		p.Limit(10 * time.Minute)
		time.Sleep(9 * time.Minute)
		leave := p.Enter()
		time.Sleep(time.Hour)
		leave()
		time.Sleep(9 * time.Minute)
		p.Enter()()
		require.Equal(t, time.Hour+9*time.Minute+time.Hour+9*time.Minute+10*time.Minute, <-over)
		_, err := p.Await(t.Context())
		require.NoError(t, err, "over for a while")
		p.Limit(0)
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		_, err = p.Await(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestKeys(t *testing.T) {
	key, err := HostKey(filepath.Join(t.TempDir(), "key"))
	require.NoError(t, err)
	line := Text(key.PublicKey())
	keys, err := ParseKeys([]string{"", "# ours", line + " me@here"})
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.True(t, keys.Has(key.PublicKey()))
	require.False(t, Keys(nil).Has(key.PublicKey()))
	for given, want := range map[string]string{
		"ssh-ed25519 AAAA":                "is no public key",
		"-----BEGIN OPENSSH PRIVATE KEY-": "is no public key",
		`command="ls" ` + line:            "has options",
		line + "\n" + line:                "more than one line",
	} {
		_, err := ParseKeys([]string{given})
		require.ErrorContains(t, err, want, given)
	}
}

func TestHostKeyStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	one, err := HostKey(path)
	require.NoError(t, err)
	two, err := HostKey(path)
	require.NoError(t, err)
	require.Equal(t, Text(one.PublicKey()), Text(two.PublicKey()))
}
