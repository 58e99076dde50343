package planner

import (
	"fmt"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/diag"
	"github.com/dstackai/dstack-planner/planner/config"
)

// protect refuses what prevent_destroy forbids: it names the rule, where it stands, and how to lift it for one run.
func (w *walk) protect() diag.List {
	var diags diag.List
	for _, it := range w.order {
		if !it.goes() || it.kind == addr.KindSupport || it.fresh {
			continue
		}
		b := w.p.Config.Block(it.addr.Block.Block)
		d := it.decl
		if d == nil && b != nil {
			d = w.declOf(it.addr.Block)
		}
		refused := &diag.Diagnostic{Severity: diag.Error, Summary: "Destroying is forbidden", Address: it.name}
		what := "destroy"
		if it.action.IsReplace() {
			what = "replace"
		}
		switch {
		case d != nil && d.Meta.PreventDestroy:
			at := d.Meta.PreventRange
			refused.Range = diag.FromRange(&at)
			refused.Detail = fmt.Sprintf("The plan would %s it, because %s, and %s (%s:%d) forbids that. %s", what, it.reason, oneLine(d.Meta.PreventText), at.Filename, at.Start.Line, w.lift(d))
		case d == nil && it.rec != nil && it.rec.Protected:
			if b != nil {
				refused.Range = diag.FromRange(&b.DefRange)
			}
			refused.Detail = fmt.Sprintf("The plan would %s it, because %s, and it was made with prevent_destroy = true, which is recorded. Put it back; to destroy it, let prevent_destroy be false first, apply, and then take it out.", what, it.reason)
		default:
			continue
		}
		diags = append(diags, refused)
	}
	return diags
}

// lift says how to allow for once what prevent_destroy forbids.
func (w *walk) lift(d *config.Decoded) string {
	command := "dstack apply"
	if w.opts.Destroy {
		command = "dstack destroy"
	}
	for _, from := range d.Meta.PreventFrom {
		name, ok := strings.CutPrefix(from, "var.")
		if !ok {
			continue
		}
		if d.Addr.Module != addr.Root {
			return fmt.Sprintf("To allow it for one run, let %s of %s be false for once.", from, d.Addr.Module)
		}
		value := "..."
		if strings.HasSuffix(strings.TrimSpace(d.Meta.PreventText), "= "+from) {
			value = "false"
		}
		return fmt.Sprintf("To allow it for one run:\n  %s --var %s=%s", command, name, value)
	}
	return fmt.Sprintf("To allow it for one run, let a variable decide, prevent_destroy = var.protected, and then:\n  %s --var protected=false", command)
}

// oneLine is a piece of source on one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
