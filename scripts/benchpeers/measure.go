package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hclparse"
)

// measured names one figure.
type measured struct {
	tool  string
	shape shape
	n     int
	step  string
}

// bench takes the times of all tools.
type bench struct {
	tools []*tool
	runs  int
	limit time.Duration
	self  string // this program
	log   func(format string, args ...any)

	took map[measured][]taken
}

// part is one configuration, with the steps of its life that are measured.
type part struct {
	shape shape
	n     int
	steps []string // all unless given
	alone bool     // ours only
}

// measure does all parts runs times. The tools take turns at each step, so that what else the machine does hits all alike.
func (b *bench) measure(ctx context.Context, parts []part) error {
	for run := range b.runs {
		for _, p := range parts {
			b.log("run %d of %d: %s, %d resources", run+1, b.runs, p.shape, p.n)
			if err := b.once(ctx, p); err != nil {
				return fmt.Errorf("%s, %d resources: %w", p.shape, p.n, err)
			}
		}
	}
	return nil
}

func (b *bench) once(ctx context.Context, p part) (err error) {
	root, err := os.MkdirTemp("", "benchpeers-*")
	if err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() {
		if e := os.RemoveAll(root); err == nil && e != nil {
			err = fmt.Errorf("remove the temporary folder: %w", e)
		}
	}()
	var tools []*tool
	for _, t := range b.tools {
		if p.alone && !t.ours {
			continue
		}
		tools = append(tools, t)
		if err := t.prepare(ctx, b.limit, filepath.Join(root, t.name), p); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	for _, s := range stepsOf() {
		if p.steps != nil && !slices.Contains(p.steps, s.name) {
			continue
		}
		for _, t := range tools {
			got, err := t.step(ctx, b.limit, filepath.Join(root, t.name), p, s)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", t.name, s.name, err)
			}
			at := measured{t.name, p.shape, p.n, s.name}
			b.took[at] = append(b.took[at], got)
		}
	}
	return nil
}

// prepare makes the folders of a tool: work, home, data and tmp.
func (t *tool) prepare(ctx context.Context, limit time.Duration, dir string, p part) error {
	for _, name := range []string{"work", "home", "data", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return fmt.Errorf("make its folders: %w", err)
		}
	}
	if err := t.write(filepath.Join(dir, "work"), p.shape, p.n, "1GB"); err != nil {
		return err
	}
	if t.ours {
		return nil
	}
	_, err := t.run(ctx, limit, dir, 0, "init", "-no-color", "-input=false")
	return err
}

// step takes the time of one step, and checks that as many things are there afterwards as should be.
func (t *tool) step(ctx context.Context, limit time.Duration, dir string, p part, s step) (taken, error) {
	if s.next {
		if err := t.write(filepath.Join(dir, "work"), p.shape, p.n, "2GB"); err != nil {
			return taken{}, err
		}
	}
	got, err := t.run(ctx, limit, dir, s.exit, t.args(s)...)
	if err != nil || t.held == nil {
		return got, err
	}
	n, err := t.held(dir)
	if err == nil && n != s.left(p.n) {
		err = fmt.Errorf("%d volumes are there afterwards instead of %d", n, s.left(p.n))
	}
	return got, err
}

// Steps of the part that compares with the parser.
const (
	parsing   = "hclparse alone"
	unchanged = "plan without changes"
)

// parser compares a plan without changes of n blocks with a process that parses the same files and nothing else.
func (b *bench) parser(ctx context.Context, n int) (err error) {
	root, err := os.MkdirTemp("", "benchpeers-*")
	if err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() {
		if e := os.RemoveAll(root); err == nil && e != nil {
			err = fmt.Errorf("remove the temporary folder: %w", e)
		}
	}()
	ours := b.tools[0]
	p := part{shape: flat, n: n}
	if err := ours.prepare(ctx, b.limit, root, p); err != nil {
		return err
	}
	life := stepsOf()
	apply, plan := life[1], life[2]
	b.log("parser: %d blocks, apply", n)
	if _, err := ours.step(ctx, b.limit, root, p, apply); err != nil {
		return err
	}
	for run := range b.runs {
		b.log("parser: run %d of %d", run+1, b.runs)
		got, err := ours.step(ctx, b.limit, root, p, plan)
		if err != nil {
			return err
		}
		at := measured{ours.name, parserShape, n, unchanged}
		b.took[at] = append(b.took[at], got)
		work := filepath.Join(root, "work")
		got, err = execute(ctx, b.limit, work, environment(root), 0, b.self, "-parse-only", work)
		if err != nil {
			return err
		}
		at.step = parsing
		b.took[at] = append(b.took[at], got)
	}
	return nil
}

// parserShape keeps the figures of parser apart from those of the same configuration elsewhere.
const parserShape shape = "beside the parser"

// parseOnly is the process that parses the files of a folder one after the other and nothing else.
func parseOnly(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.dstack.hcl"))
	if err != nil || len(names) == 0 {
		return fmt.Errorf("%s has no files to parse: %w", dir, err)
	}
	p := hclparse.NewParser()
	for _, name := range names {
		if _, diags := p.ParseHCLFile(name); diags.HasErrors() {
			return fmt.Errorf("parse %s: %w", name, diags)
		}
	}
	return nil
}

// median of the times that a figure was taken, with the largest peak of memory.
func (b *bench) median(at measured) (taken, bool) {
	all := slices.SortedFunc(slices.Values(b.took[at]), func(x, y taken) int { return int(x.wall - y.wall) })
	if len(all) == 0 {
		return taken{}, false
	}
	mid := all[len(all)/2]
	if len(all)%2 == 0 {
		mid.wall = (all[len(all)/2-1].wall + mid.wall) / 2
	}
	for _, t := range all {
		mid.peak = max(mid.peak, t.peak)
	}
	return mid, true
}
