package value

import (
	"github.com/zclconf/go-cty/cty"
)

// SpotPolicy says which offers are used: spot, on-demand or both. It is empty if unset.
type SpotPolicy string

// The spot policies.
const (
	SpotOnly SpotPolicy = "spot"
	OnDemand SpotPolicy = "on-demand"
	SpotAuto SpotPolicy = "auto"
)

// CreationPolicy says whether a run may bring instances of its own. It is empty if unset.
type CreationPolicy string

// The creation policies.
const (
	Reuse         CreationPolicy = "reuse"
	ReuseOrCreate CreationPolicy = "reuse-or-create"
)

// Placement says whether the instances of a fleet stand near each other. It is empty if unset.
type Placement string

// The placements.
const (
	PlacementAny     Placement = "any"
	PlacementCluster Placement = "cluster"
)

// choice is a word out of a few.
type choice interface{ ~string }

func parseChoice[T choice](text, noun string, options ...T) (T, error) {
	names := make([]string, len(options))
	for i, o := range options {
		if string(o) == text {
			return o, nil
		}
		names[i] = string(o)
	}
	hint := ""
	if s := suggest(text, names); s != "" {
		hint = " Did you mean " + quote(s) + "?"
	}
	return "", mistakeAt(0, len(text), noun+" is unknown", "%s is none of %s.%s", quote(text), alternatives(names), hint)
}

func choiceForms[T choice](noun string, parse func(string) (T, error), options ...T) forms[T] {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = string(o)
	}
	return forms[T]{words: words{noun, "It is " + alternatives(names) + "."}, text: parse}
}

// ParseSpotPolicy reads "spot", "on-demand" or "auto".
func ParseSpotPolicy(text string) (SpotPolicy, error) {
	return parseChoice(text, "Spot policy", SpotOnly, OnDemand, SpotAuto)
}

// Requires reports whether an offer must be spot (true) or must not (false); set is false if both will do. An unset
// policy is on-demand.
func (p SpotPolicy) Requires() (spot, set bool) { return p == SpotOnly, p != SpotAuto }

// String is the policy.
func (p SpotPolicy) String() string { return string(p) }

// Canonical is the policy.
func (p SpotPolicy) Canonical() string { return string(p) }

// IsZero reports whether the policy is unset.
func (p SpotPolicy) IsZero() bool { return p == "" }

// MarshalText gives the policy.
func (p SpotPolicy) MarshalText() ([]byte, error) { return []byte(p), nil }

// UnmarshalText reads a policy.
func (p *SpotPolicy) UnmarshalText(text []byte) error { return decodeText(p, text, ParseSpotPolicy) }

// UnmarshalCty reads a string.
func (p *SpotPolicy) UnmarshalCty(v cty.Value) error {
	return decodeCty(p, v, choiceForms("Spot policy", ParseSpotPolicy, SpotOnly, OnDemand, SpotAuto))
}

// Grammar describes spot policies.
func (SpotPolicy) Grammar() Grammar {
	return Grammar{
		Name:    "Spot policy",
		Summary: "Which offers are used: spot, on-demand or both.",
		Forms: []Form{
			{`"spot"`, "spot offers only"},
			{`"on-demand"`, "on-demand offers only"},
			{`"auto"`, "whichever is cheaper"},
		},
		Schema: Schema{"type": "string", "enum": []string{"spot", "on-demand", "auto"}},
	}
}

// ParseCreationPolicy reads "reuse" or "reuse-or-create".
func ParseCreationPolicy(text string) (CreationPolicy, error) {
	return parseChoice(text, "Creation policy", Reuse, ReuseOrCreate)
}

// String is the policy.
func (p CreationPolicy) String() string { return string(p) }

// Canonical is the policy.
func (p CreationPolicy) Canonical() string { return string(p) }

// IsZero reports whether the policy is unset.
func (p CreationPolicy) IsZero() bool { return p == "" }

// MarshalText gives the policy.
func (p CreationPolicy) MarshalText() ([]byte, error) { return []byte(p), nil }

// UnmarshalText reads a policy.
func (p *CreationPolicy) UnmarshalText(text []byte) error {
	return decodeText(p, text, ParseCreationPolicy)
}

// UnmarshalCty reads a string.
func (p *CreationPolicy) UnmarshalCty(v cty.Value) error {
	return decodeCty(p, v, choiceForms("Creation policy", ParseCreationPolicy, Reuse, ReuseOrCreate))
}

// Grammar describes creation policies.
func (CreationPolicy) Grammar() Grammar {
	return Grammar{
		Name:    "Creation policy",
		Summary: "Whether a run may bring instances of its own.",
		Forms: []Form{
			{`"reuse-or-create"`, "an idle instance if one fits, else a new one"},
			{`"reuse"`, "idle instances only"},
		},
		Schema: Schema{"type": "string", "enum": []string{"reuse", "reuse-or-create"}},
	}
}

// ParsePlacement reads "any" or "cluster".
func ParsePlacement(text string) (Placement, error) {
	return parseChoice(text, "Placement", PlacementAny, PlacementCluster)
}

// String is the placement.
func (p Placement) String() string { return string(p) }

// Canonical is the placement.
func (p Placement) Canonical() string { return string(p) }

// IsZero reports whether the placement is unset.
func (p Placement) IsZero() bool { return p == "" }

// MarshalText gives the placement.
func (p Placement) MarshalText() ([]byte, error) { return []byte(p), nil }

// UnmarshalText reads a placement.
func (p *Placement) UnmarshalText(text []byte) error { return decodeText(p, text, ParsePlacement) }

// UnmarshalCty reads a string.
func (p *Placement) UnmarshalCty(v cty.Value) error {
	return decodeCty(p, v, choiceForms("Placement", ParsePlacement, PlacementAny, PlacementCluster))
}

// Grammar describes placements.
func (Placement) Grammar() Grammar {
	return Grammar{
		Name:    "Placement",
		Summary: "Whether the instances of a fleet stand near each other.",
		Forms: []Form{
			{`"any"`, "anywhere"},
			{`"cluster"`, "in one region, connected as closely as the backend can"},
		},
		Schema: Schema{"type": "string", "enum": []string{"any", "cluster"}},
	}
}
