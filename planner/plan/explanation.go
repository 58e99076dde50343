package plan

import "encoding/json"

// Explanation says where what a plan has of one resource comes from.
type Explanation struct {
	Address    string      `json:"address"`
	Action     Action      `json:"actions"`
	Reason     string      `json:"reason,omitempty"`
	Attributes []Explained `json:"attributes"`
}

// Explained is one attribute, with the chain that leads to its value.
type Explained struct {
	Path      string          `json:"path"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	Unknown   bool            `json:"after_unknown,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
	Forces    bool            `json:"forces_replacement,omitempty"`
	Why       string          `json:"why,omitempty"` // what forces the replacement
	Chain     []Link          `json:"chain"`
}

// Link is one step of a chain. Those behind one of a lower depth are what that is made of.
type Link struct {
	Depth int    `json:"depth"`
	Name  string `json:"name,omitempty"`  // var.gpu, local.size; "" for the attribute itself
	Text  string `json:"text,omitempty"`  // the expression as written, or a sentence about what is written nowhere
	Place string `json:"place,omitempty"` // file:line
	Value string `json:"value,omitempty"` // of a variable
	From  string `json:"from,omitempty"`  // --var, default, drift, provider, placement, profile.spot
}
