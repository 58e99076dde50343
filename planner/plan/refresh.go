package plan

// RefreshMode says how much of what is recorded is compared with what is there, before anything is planned.
type RefreshMode string

// Modes of refreshing. The zero value is RefreshAll.
const (
	RefreshAll     RefreshMode = "all"
	RefreshChanged RefreshMode = "changed" // what changes, and what that takes values from or stands on
	RefreshNone    RefreshMode = "none"
)

// Whole tells whether everything is asked about.
func (m RefreshMode) Whole() bool { return m == "" || m == RefreshAll }

// Flag is how somebody asks for the mode.
func (m RefreshMode) Flag() string {
	if m == RefreshNone {
		return "--no-refresh"
	}
	return "--refresh=" + string(m)
}

// Why is why something was not checked that nobody was to ask about, a clause.
func (m RefreshMode) Why() string { return "as recorded; " + m.Flag() }

// Refresh says how much of what is recorded was compared with what is there, where not all of it was to be. What was not is
// in NotChecked.
type Refresh struct {
	Mode     RefreshMode `json:"mode"`
	Recorded int         `json:"recorded"` // objects that the state has
	Read     int         `json:"read"`     // of them those that providers were asked about
}

// Skipped tells whether a note of NotChecked is about something that nobody was to ask about.
func (p *Plan) Skipped(n Note) bool { return p.Refresh != nil && n.Text == p.Refresh.Mode.Why() }
