package lint

import (
	"bytes"
	"encoding/json"
	"net/url"
	"path/filepath"

	"github.com/dstackai/dstack-planner/diag"
)

// SARIF writes diagnostics in the format in which pipelines take the findings of tools (OASIS SARIF 2.1.0). What breaks no
// rule of Rules stands under the rule validate. Version is that of dstack.
func SARIF(list diag.List, version string) ([]byte, error) {
	type text struct {
		Text string `json:"text"`
	}
	type rule struct {
		ID    string `json:"id"`
		Short text   `json:"shortDescription"`
	}
	type region struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
	type physical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region region `json:"region"`
	}
	type location struct {
		Physical physical `json:"physicalLocation"`
	}
	type result struct {
		RuleID    string     `json:"ruleId"`
		Level     string     `json:"level"`
		Message   text       `json:"message"`
		Locations []location `json:"locations"`
	}
	rules := []rule{{"validate", text{"The configuration must be right."}}}
	for _, r := range Rules() {
		rules = append(rules, rule{r.ID, text{r.Doc}})
	}
	results := []result{}
	for _, d := range list {
		r := result{RuleID: d.Rule, Level: string(d.Severity), Message: text{d.Summary + ". " + d.Detail}, Locations: []location{}}
		if r.RuleID == "" {
			r.RuleID = "validate"
		}
		if d.Range != nil {
			var p physical
			p.Artifact.URI = uri(d.Range.Filename)
			p.Region = region{d.Range.Start.Line, d.Range.Start.Column, d.Range.End.Line, d.Range.End.Column}
			r.Locations = append(r.Locations, location{p})
		}
		results = append(results, r)
	}
	driver := map[string]any{"name": "dstack", "version": version, "informationUri": "https://github.com/dstackai/dstack-planner", "rules": rules}
	run := map[string]any{"tool": map[string]any{"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(map[string]any{"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": []any{run}})
	return b.Bytes(), err
}

// uri is the path of a file as a reference of RFC 3986.
func uri(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}
