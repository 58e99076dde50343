package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/internal/joblog"
)

func (s *server) getLogs(w http.ResponseWriter, r *http.Request) (any, error) {
	j, err := s.find(r)
	if err != nil {
		return nil, err
	}
	q, err := readQuery(r)
	if err != nil {
		return nil, err
	}
	v, _, _ := j.view()
	out := logStream{job: j, query: q, attempt: v.Attempt, to: json.NewEncoder(w), flush: http.NewResponseController(w).Flush}
	if q.Attempt > 0 && !q.Diagnose {
		if kept := loggedAttempts(j.dir); !slices.Contains(kept, q.Attempt) {
			return nil, api.Errorf(api.KindNotFound, "there is no log of attempt %d of job %s on this instance; there is one of %s", q.Attempt, v.ID, numbers(kept))
		}
		out.attempt = q.Attempt
	}
	if err := out.open(); err != nil {
		return nil, err
	}
	defer out.close()
	w.Header().Set("Content-Type", "application/jsonl")
	w.WriteHeader(http.StatusOK)
	if err := out.send(r.Context().Done()); err != nil {
		if !errors.Is(err, errCut) {
			s.log.Warn("log cannot be read", "job", v.ID, "error", err)
		}
		// An answer that just ended would say that this is all. Cut off, its reader goes on where it was.
		panic(http.ErrAbortHandler)
	}
	return nil, nil
}

// logStream sends a log to one reader.
type logStream struct {
	job     *job
	query   api.LogQuery
	attempt int
	lines   *joblog.Reader
	to      *json.Encoder
	flush   func() error
}

func (o *logStream) dir() string {
	if o.query.Diagnose {
		return filepath.Join(o.job.dir, notesDir)
	}
	return logPath(o.job.dir, o.attempt)
}

// open opens the log where the reader wants to begin.
func (o *logStream) open() error {
	at := o.query.Offset
	if o.query.Tail > 0 {
		tail, err := joblog.Tail(o.dir(), o.query.Tail)
		if err != nil {
			return err
		}
		at = max(at, tail)
	}
	if !o.query.Since.IsZero() {
		since, err := joblog.Since(o.dir(), o.query.Since)
		if err != nil {
			return err
		}
		at = max(at, since)
	}
	o.lines = joblog.NewReader(o.dir(), at)
	return nil
}

func (o *logStream) close() { o.lines.Close() }

// errCut says that the reader has not got all, or is gone.
var errCut = errors.New("cut off")

// send sends what there is and, if it is to follow, what comes, until there can be no more of it.
func (o *logStream) send(cut <-chan struct{}) error {
	for {
		// Looked at before reading, so that what is written while reading is read in the next round.
		v, ended, changed := o.job.view()
		for {
			line, err := o.lines.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if !line.Time.IsZero() && line.Time.Before(o.query.Since) {
				continue
			}
			line.Attempt = o.attempt
			if o.to.Encode(line) != nil {
				return errCut
			}
		}
		if err := o.flush(); err != nil {
			return errCut
		}
		if v.Attempt > o.attempt && !o.query.Diagnose {
			// Its attempt was over before it was looked at, so all of that was read.
			if !o.query.Onward {
				return nil
			}
			if err := o.next(); err != nil {
				return err
			}
			continue
		}
		if !o.query.Follow || ended || o.job.isGone() {
			return nil
		}
		select {
		case <-changed:
		case <-cut:
			return errCut
		}
	}
}

// next goes on with the attempt that followed, and says so.
func (o *logStream) next() error {
	o.close()
	failed := o.attempt
	o.attempt++
	o.query.Offset, o.query.Tail = 0, 0
	o.lines = joblog.NewReader(o.dir(), 0)
	line := api.LogLine{Time: time.Now().UTC(), Stream: api.StreamAgent, Attempt: o.attempt}
	line.SetText(fmt.Appendf(nil, "attempt %d failed; this is attempt %d", failed, o.attempt))
	if o.to.Encode(line) != nil {
		return errCut
	}
	return nil
}

func numbers(list []int) string {
	if len(list) == 0 {
		return "none"
	}
	text := ""
	for i, n := range list {
		if i > 0 {
			text += ", "
		}
		text += strconv.Itoa(n)
	}
	return text
}

func readQuery(r *http.Request) (q api.LogQuery, err error) {
	number := func(name string) int64 {
		text := r.FormValue(name)
		if text == "" {
			return 0
		}
		n, perr := strconv.ParseInt(text, 10, 64)
		if perr != nil || n < 0 {
			err = api.Errorf(api.KindInvalid, "%s is %q; it must be a number that is not negative", name, text)
		}
		return n
	}
	set := func(name string) bool { return r.FormValue(name) == "1" || r.FormValue(name) == "true" }
	q.Follow, q.Onward, q.Diagnose = set("follow"), set("onward"), set("diagnose")
	q.Tail, q.Attempt = int(number("tail")), int(number("attempt"))
	q.Offset = number("offset")
	if text := r.FormValue("since"); text != "" {
		var perr error
		if q.Since, perr = time.Parse(time.RFC3339Nano, text); perr != nil {
			err = api.Errorf(api.KindInvalid, "since: %v", perr)
		}
	}
	return q, err
}
