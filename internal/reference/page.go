package reference

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Blocks is the page of everything that can be written in a configuration.
func Blocks() string {
	var b strings.Builder
	b.WriteString(head)
	heading(&b, 1, "Blocks")
	b.WriteString(`What can be written in ` + "`*.dstack.hcl`" + `. A type that is a link has a short notation of its own, explained in
[values](values.md). An attribute marked *per job* is evaluated once for each job of a run, so that ` + "`node.rank`, `node.count`" + ` and
` + "`replica.index`" + ` can be used in it. ` + "`dstack help BLOCK`" + ` prints the same in a terminal.

`)
	for _, t := range schema.BlockTypes() {
		fmt.Fprintf(&b, "- [%s](#%s): %s\n", t.Name, anchor(t.Name), t.Doc)
	}
	b.WriteString("- [meta arguments](#meta-arguments): what every block that makes resources takes.\n\n")
	for _, t := range schema.BlockTypes() {
		s := t.Describe()
		heading(&b, 2, t.Name)
		fmt.Fprintf(&b, "`%s { ... }`\n\n%s\n\n", s.Head, s.Doc)
		if s.Open {
			b.WriteString("Its attributes are your own names, each with an expression of any type.\n\n")
		}
		if s.Repeat {
			b.WriteString("It takes the [meta arguments](#meta-arguments) too.\n\n")
		}
		writeBlock(&b, s, 3, t.Name)
	}
	heading(&b, 2, "Meta arguments")
	b.WriteString("Every block that makes resources takes these beside its own attributes.\n\n")
	writeBlock(&b, schema.DescribeMeta(), 3, "")
	return tidy(&b)
}

// writeBlock writes the table of a section and of what is nested in it. Path is where the section stands.
func writeBlock(b *strings.Builder, s schema.Section, level int, path string) {
	if len(s.Rows) > 0 {
		rows := make([][]string, 0, len(s.Rows))
		for _, r := range s.Rows {
			rows = append(rows, []string{code(r.Name), typeCell(r, inner(path, r.Name)), code(r.Default), cell(r.Rule), remarks(r)})
		}
		table(b, []string{"name", "type", "default", "rule", "meaning"}, rows)
	}
	for _, in := range s.Sections {
		at := inner(path, in.Name)
		heading(b, level, at)
		fmt.Fprintf(b, "`%s`. %s\n\n", blockHead(in), in.Doc)
		writeBlock(b, in, level+1, at)
	}
}

func blockHead(s schema.Section) string {
	if strings.Contains(s.Head, "=") {
		return s.Head
	}
	return s.Head + " { ... }"
}

// inner is where something nested stands: "fleet ssh".
func inner(path, name string) string { return strings.TrimSpace(path + " " + name) }

// typeCell is the type of a row, with a link to what explains it.
func typeCell(r schema.Row, at string) string {
	text := cell(r.Type)
	switch {
	case r.Grammar != "":
		text = strings.Replace(text, r.Grammar, fmt.Sprintf("[%s](values.md#%s)", r.Grammar, anchor(r.Grammar)), 1)
	case r.Nested && r.Many:
		text = fmt.Sprintf("[blocks](#%s)", anchor(at))
	case r.Nested && r.Block:
		text = fmt.Sprintf("[block](#%s)", anchor(at))
	case r.Nested:
		text = strings.Replace(text, "object", fmt.Sprintf("[object](#%s)", anchor(at)), 1)
	}
	if r.Required {
		text += ", required"
	}
	return text
}

// remarks is what a row means, with what is special about it.
func remarks(r schema.Row) string {
	text := cell(r.Doc)
	if r.PerJob {
		text += " *Per job.*"
	}
	if r.Sensitive {
		text += " *Sensitive.*"
	}
	return text
}

// Values is the page of all grammars.
func Values() string {
	var b strings.Builder
	b.WriteString(head)
	heading(&b, 1, "Values")
	b.WriteString(`Short notations. A value is compared by what it means, so ` + "`\"16gb..\"` and `\"16GB..\"`" + ` are equal; plans show it as it was written.

`)
	for _, k := range value.All() {
		fmt.Fprintf(&b, "- [%s](#%s)\n", k.Grammar.Name, anchor(k.Grammar.Name))
	}
	b.WriteByte('\n')
	for _, k := range value.All() {
		heading(&b, 2, k.Grammar.Name)
		b.WriteString(k.Grammar.Summary + "\n\n")
		rows := make([][]string, 0, len(k.Grammar.Forms))
		for _, f := range k.Grammar.Forms {
			rows = append(rows, []string{code(f.Example), cell(f.Meaning)})
		}
		table(&b, []string{"written", "means"}, rows)
	}
	return tidy(&b)
}

// Kinds is the page of what a plan acts on.
func Kinds() string {
	var b strings.Builder
	b.WriteString(head)
	heading(&b, 1, "Kinds of resources")
	b.WriteString(`The attributes that plans and state have for each kind, and that references can read: ` + "`volume.data.id`,\n`fleet.train.instance[0].hostname`" + `.

*From* says who decides the value: the configuration, the provider (known after apply), placement (known when the plan has chosen an
offer), or status, a fact that comes and goes and is never a difference. *Change* says what another value does to a thing that exists:

| change | what happens |
| --- | --- |
`)
	for _, c := range []schema.Change{schema.InPlace, schema.Replace, schema.Provider, schema.Constraint, schema.Record} {
		fmt.Fprintf(&b, "| %s | %s |\n", c, changes[c])
	}
	b.WriteByte('\n')
	for _, k := range kinds() {
		heading(&b, 2, k)
		writeKind(&b, schema.KindObject(k).Describe(k), 3, k)
	}
	return tidy(&b)
}

// kinds lists the kinds as people meet them: what is for other things comes last.
func kinds() []string {
	others := slices.DeleteFunc(addr.Kinds(), func(k string) bool { return k == addr.KindSupport })
	return append(others, addr.KindSupport)
}

var changes = map[schema.Change]string{
	schema.InPlace:    "The thing itself is updated, without losing work.",
	schema.Replace:    "A new one is made, and the old one destroyed.",
	schema.Provider:   "The provider decides, as for a volume that can grow but not shrink.",
	schema.Constraint: "A machine that satisfies the new value stays; one that does not is replaced.",
	schema.Record:     "Only the record changes; nothing is called.",
}

func writeKind(b *strings.Builder, s schema.Section, level int, path string) {
	rows := make([][]string, 0, len(s.Rows))
	for _, r := range s.Rows {
		change := ""
		if r.Change != schema.Never {
			change = string(r.Change)
		}
		doc := remarks(r)
		if r.Kept {
			doc += " *Where nothing is written, what was decided before stays.*"
		}
		if r.Varies {
			doc += " *An update may change it.*"
		}
		r.Required, r.Block = false, false
		rows = append(rows, []string{code(r.Name), typeCell(r, inner(path, r.Name)), string(r.Source), change, doc})
	}
	table(b, []string{"name", "type", "from", "change", "meaning"}, rows)
	for _, in := range s.Sections {
		at := inner(path, in.Name)
		heading(b, level, at)
		b.WriteString(in.Doc + "\n\n")
		writeKind(b, in, level+1, at)
	}
}

// tidy ends a page with one line feed.
func tidy(b *strings.Builder) string { return strings.TrimRight(b.String(), "\n") + "\n" }
