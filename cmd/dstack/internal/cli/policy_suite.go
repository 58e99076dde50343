package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/policy"
	"github.com/dstackai/dstack-planner/planner/render"
)

// policySuite is what policy test --json prints.
type policySuite struct {
	FormatVersion string         `json:"format_version"`
	Passed        int            `json:"passed"`
	Failed        int            `json:"failed"`
	Tests         []policyResult `json:"tests"`
}

// policyResult is what became of one test.
type policyResult struct {
	Name        string           `json:"name"`
	File        string           `json:"file"`
	Line        int              `json:"line"`
	Passed      bool             `json:"passed"`
	Findings    []policy.Finding `json:"findings"`
	Diagnostics diag.List        `json:"diagnostics"`
}

func policyTestCommand(a *app) *cobra.Command {
	return withJSON(a, &cobra.Command{
		Use: "test [DIR]", Short: "Run the tests of policies",
		Long: "Runs the tests in the *.dstacktest.hcl files of a folder of policies, or of a configuration, and of its folder tests. Each judges a saved plan, its JSON, or a plan that is written in the test, and says what it expects of which policy:\n\n" +
			"  test \"a second cluster is too much\" {\n    plan   = \"plans/second-cluster.json\"\n    expect = { budget = \"denied\" }\n  }\n\nExits 1 if a test fails.",
		Args: args(0, 1, "at most one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			s, err := a.runSuite(cmd.Context(), dir)
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(s)
			} else {
				a.printSuite(s)
			}
			if err == nil && s.Failed > 0 {
				return exit(exitError)
			}
			return err
		},
	}, "print one JSON object with all tests")
}

func withJSON(a *app, cmd *cobra.Command, what string) *cobra.Command {
	jsonFlag(a, cmd, what)
	return cmd
}

// runSuite runs all tests of a folder.
func (a *app) runSuite(ctx context.Context, dir string) (*policySuite, error) {
	files, err := testFiles(dir)
	if err != nil {
		return nil, err
	}
	s := &policySuite{FormatVersion: "1.0", Tests: []policyResult{}}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, failedWith(err, "File of tests cannot be read")
		}
		tests, list := policy.ParseTests(filepath.ToSlash(file), text)
		if list.HasErrors() {
			return nil, failed(list)
		}
		for _, t := range tests {
			r := a.runTest(ctx, dir, t)
			if r.Passed {
				s.Passed++
			} else {
				s.Failed++
			}
			s.Tests = append(s.Tests, r)
		}
	}
	if len(s.Tests) == 0 {
		return nil, fail(exitError, "There are no tests", "There is no *.dstacktest.hcl file with a test in %s, nor in its folder tests. One is written so:\n  test \"a large plan is denied\" {\n    plan   = { cost = { after = { hourly_max = 500 } } }\n    expect = { budget = \"denied\" }\n  }", dir)
	}
	return s, nil
}

// testFiles are the files of tests of a folder and of its folder tests, in order.
func testFiles(dir string) ([]string, error) {
	var out []string
	for _, at := range []string{dir, filepath.Join(dir, "tests")} {
		entries, err := os.ReadDir(at)
		if errors.Is(err, fs.ErrNotExist) && at != dir {
			continue
		}
		if err != nil {
			return nil, failedWith(err, "Folder cannot be read")
		}
		for _, e := range entries { // in order of names
			if !e.IsDir() && strings.HasSuffix(e.Name(), ".dstacktest.hcl") {
				out = append(out, filepath.Join(at, e.Name()))
			}
		}
	}
	return out, nil
}

// runTest runs one test, with the policies as they are with its variables.
func (a *app) runTest(ctx context.Context, dir string, t policy.Test) policyResult {
	r := policyResult{Name: t.Name, File: t.Range.Filename, Line: t.Range.Start.Line, Findings: []policy.Finding{}, Diagnostics: diag.List{}}
	c, list := config.LoadPolicies(ctx, config.PolicyOptions{Dir: dir, Values: t.Variables, Whole: true, Version: a.version})
	if !list.HasErrors() {
		list = append(list, policy.Check(c)...)
	}
	var p *plan.Plan
	if t.PlanFile != "" && !list.HasErrors() {
		path := filepath.Join(filepath.Dir(t.Range.Filename), filepath.FromSlash(t.PlanFile))
		if filepath.IsAbs(t.PlanFile) {
			path = t.PlanFile
		}
		var err error
		if p, err = plan.ReadAny(path); err != nil {
			list = append(list, diag.From(err, "Plan cannot be read").At(&t.Range)...)
		}
	}
	if !list.HasErrors() {
		findings, problems := t.Run(p, c)
		r.Findings = append(r.Findings, findings...)
		list = append(list, problems...)
	}
	r.Diagnostics = append(r.Diagnostics, list...)
	r.Passed = !list.HasErrors() && !slices.ContainsFunc(r.Findings, func(f policy.Finding) bool { return !f.Passed })
	return r
}

// printSuite prints what became of the tests for people.
func (a *app) printSuite(s *policySuite) {
	for _, t := range s.Tests {
		word := "pass"
		if !t.Passed {
			word = "FAIL"
		}
		a.printf("%s  %s\n", word, render.Clean(t.Name))
		if t.Passed {
			continue
		}
		a.printf("      %s:%d\n", render.Clean(t.File), t.Line)
		for _, f := range t.Findings {
			if f.Passed {
				continue
			}
			text := fmt.Sprintf("%s is %s, and %s was expected", f.Policy, f.Got, f.Want)
			if f.Got == f.Want {
				text = fmt.Sprintf("%s is %s as expected", f.Policy, f.Got)
			}
			if f.Why != "" {
				text += ": " + f.Why
			}
			a.printf("      %s\n", render.Clean(text))
		}
		a.complain(t.Diagnostics.Errors())
	}
	a.printf("%d passed, %d failed.\n", s.Passed, s.Failed)
}
