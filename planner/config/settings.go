package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/schema"
)

// readSettings evaluates the block `dstack`. It may use variables and locals that depend on no block.
func (c *Config) readSettings(version string) diag.List {
	c.settings = Settings{Store: "local"}
	if c.dstack == nil {
		if c.partial {
			c.settings = Settings{} // it may stand in the file that could not be parsed
		}
		return nil
	}
	b := c.dstack
	var list diag.List
	for _, uses := range b.uses() {
		for _, u := range uses {
			l := c.main.locals[u.name]
			if u.root == "var" || u.root == "path" || u.root == "local" && l != nil && l.fixed() {
				continue
			}
			rng := u.rng()
			list = append(list, diag.Errorf("Reference has no place here", "Settings are read before any block, so they can use variables and locals that depend on no block; %s depends on one.", traversalText(u.traversal)).At(&rng)...)
		}
	}
	if list.HasErrors() {
		return list
	}
	ctx, ds := c.contextOf(c.root, nil, nil, b.uses()...)
	d := decoder{c: c, ctx: ctx, list: ds}
	v := cty.ObjectVal(d.object(b.body, nil))
	if list = d.list; list.HasErrors() {
		return list
	}
	if !v.IsWhollyKnown() { // because of an error that is reported
		c.settings = Settings{}
		return list
	}
	for _, a := range []string{"state", "access"} {
		if part := v.GetAttr(a); part.ContainsMarked() {
			at := b.body.end
			if n := b.body.nestedOf(a); len(n) > 0 {
				at = n[0].defRange
			}
			return append(list, diag.Errorf("Setting is sensitive", "%s is shown and recorded, and a value in it is sensitive. Use another one, or nonsensitive(...) if it may be shown.", a).At(&at)...)
		}
	}
	read, err := schema.Decode[schema.Dstack](v)
	if err != nil {
		return append(list, diag.From(err, "Settings cannot be read").At(&b.DefRange)...)
	}
	c.settings.RequiredVersion, c.settings.DefaultImage = read.RequiredVersion, read.DefaultImage
	if read.Access != nil {
		c.settings.AuthorizedKeys = read.Access.AuthorizedKeys
	}
	if n := b.body.nestedOf("state"); len(n) > 0 {
		c.settings.Store, c.settings.StorePath = read.State.Store, read.State.Path
		rng := n[0].defRange
		c.settings.StoreRange = &rng
		if read.State.Store != "local" {
			list = append(list, diag.Errorf("Unknown store", "There is no store %q in this version; there is \"local\", a folder.%s", read.State.Store, schema.DidYouMean(read.State.Store, []string{"local"})).At(&rng)...)
		}
	}
	return append(list, c.checkVersion(version)...)
}

// checkVersion compares the running version with required_version.
func (c *Config) checkVersion(version string) diag.List {
	a := c.dstack.body.attr("required_version")
	if a == nil || c.settings.RequiredVersion == "" {
		return nil
	}
	rng := a.expr.Range()
	ok, err := satisfies(version, c.settings.RequiredVersion)
	switch {
	case err != nil:
		return diag.Errorf("Version cannot be read", "%s. A requirement is a list of comparisons, as in \">= 0.1, < 2\"; ~> 1.2 means 1.2 or later below 2.", err).At(&rng)
	case !ok:
		return diag.Errorf("Another version of dstack is needed", "The configuration works with %s, and this is dstack %s. Install a version that fits, or change required_version.", c.settings.RequiredVersion, version).At(&rng)
	}
	return nil
}

// satisfies tells whether a version meets all comparisons of a requirement. A version that is unset meets all.
func satisfies(version, requirement string) (bool, error) {
	have, err := parseVersion(strings.TrimPrefix(version, "v"))
	ok := true
	for part := range strings.SplitSeq(requirement, ",") {
		part = strings.TrimSpace(part)
		op := strings.TrimRight(part[:len(part)-len(strings.TrimLeft(part, "<>=!~"))], " ")
		want, wantErr := parseVersion(strings.TrimSpace(part[len(op):]))
		if wantErr != nil {
			return false, wantErr
		}
		if version == "" || err != nil { // a version that was built from a working tree
			continue
		}
		n := compareVersions(have, want)
		switch op {
		case "", "=":
			ok = ok && n == 0
		case "!=":
			ok = ok && n != 0
		case ">":
			ok = ok && n > 0
		case ">=":
			ok = ok && n >= 0
		case "<":
			ok = ok && n < 0
		case "<=":
			ok = ok && n <= 0
		case "~>":
			upper := append([]int(nil), want[:max(len(want)-1, 1)]...)
			upper[len(upper)-1]++
			ok = ok && n >= 0 && compareVersions(have, upper) < 0
		default:
			return false, fmt.Errorf("%q is no comparison", op)
		}
	}
	return ok, nil
}

func parseVersion(s string) ([]int, error) {
	s, _, _ = strings.Cut(s, "-")
	s, _, _ = strings.Cut(s, "+")
	var out []int
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || len(out) == 3 {
			return nil, fmt.Errorf("%q is no version", s)
		}
		out = append(out, n)
	}
	return out, nil
}

func compareVersions(a, b []int) int {
	for i := range max(len(a), len(b)) {
		x, y := 0, 0
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return x - y
		}
	}
	return 0
}
