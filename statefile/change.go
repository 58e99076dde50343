package statefile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// change is the content of a record. Applying one cannot fail: what is not there
// to be changed is left alone, so that a journal that was written can always be
// replayed.
type change interface {
	recordType() Type
	// check is an error for what a snapshot could not hold.
	check() error
	apply(s *State, at time.Time)
}

type (
	epochChange struct {
		Holder  Holder `json:"holder"`
		Format  int    `json:"format"`
		Version string `json:"dstack_version,omitempty"`
	}
	intentChange     struct{ *Intent }
	checkpointChange struct {
		Ref
		Checkpoint
	}
	tryChange struct {
		Ref
		Try
	}
	putChange struct {
		Closes   string    `json:"closes,omitempty"`
		Resource *Resource `json:"resource"`
	}
	deleteChange struct {
		Ref
		Removal
	}
	closeChange struct {
		Ref
		Key    string    `json:"key"`
		Reason string    `json:"reason,omitempty"`
		Until  time.Time `json:"until,omitzero"`
	}
	moveChange struct {
		From    Ref     `json:"from"`
		To      Ref     `json:"to"`
		Changed Changed `json:"changed,omitzero"`
	}
	statusChange struct {
		Ref
		Status string `json:"status"`
	}
	occupyChange struct {
		Address string `json:"address"`
	}
	backendChange struct {
		Name    string   `json:"name"`
		Backend *Backend `json:"backend"`
	}
	runChange struct {
		Address string `json:"address"`
		Run     *Run   `json:"run"`
	}
	outputsChange struct {
		Outputs map[string]Output `json:"outputs"`
	}
	planChange struct{ AppliedPlan }
	stepChange struct {
		Plan string `json:"plan"`
		Step string `json:"step"`
	}
)

func (*epochChange) recordType() Type      { return TypeEpoch }
func (*intentChange) recordType() Type     { return TypeIntent }
func (*checkpointChange) recordType() Type { return TypeCheckpoint }
func (*tryChange) recordType() Type        { return TypeTry }
func (*putChange) recordType() Type        { return TypePut }
func (*deleteChange) recordType() Type     { return TypeDelete }
func (*closeChange) recordType() Type      { return TypeClose }
func (*moveChange) recordType() Type       { return TypeMove }
func (*statusChange) recordType() Type     { return TypeStatus }
func (*occupyChange) recordType() Type     { return TypeOccupy }
func (*backendChange) recordType() Type    { return TypeBackend }
func (*runChange) recordType() Type        { return TypeRun }
func (*outputsChange) recordType() Type    { return TypeOutputs }
func (*planChange) recordType() Type       { return TypePlan }
func (*stepChange) recordType() Type       { return TypeStep }

func (*epochChange) check() error { return nil }

func (c *intentChange) check() error {
	if c.Key == "" {
		return fmt.Errorf("the intent record has no key")
	}
	return c.Ref().check(TypeIntent)
}

func (c *checkpointChange) check() error { return c.Ref.check(TypeCheckpoint) }
func (c *tryChange) check() error        { return c.Ref.check(TypeTry) }

func (c *putChange) check() error {
	if c.Resource == nil {
		return fmt.Errorf("the put record has no resource")
	}
	return c.Resource.Ref().check(TypePut)
}

func (c *deleteChange) check() error { return c.Ref.check(TypeDelete) }
func (c *closeChange) check() error  { return c.Ref.check(TypeClose) }

func (c *moveChange) check() error {
	if err := c.From.check(TypeMove); err != nil {
		return err
	}
	return c.To.check(TypeMove)
}

func (c *statusChange) check() error { return c.Ref.check(TypeStatus) }
func (c *occupyChange) check() error { return Ref{Address: c.Address}.check(TypeOccupy) }

func (c *backendChange) check() error {
	if c.Name == "" {
		return fmt.Errorf("the backend record has no name")
	}
	return nil
}

func (c *runChange) check() error   { return Ref{Address: c.Address}.check(TypeRun) }
func (*outputsChange) check() error { return nil }

func (c *planChange) check() error {
	if c.ID == "" {
		return fmt.Errorf("the plan record has no id")
	}
	return nil
}

func (c *stepChange) check() error {
	if c.Plan == "" {
		return fmt.Errorf("the step record has no plan")
	}
	return nil
}

func (r Ref) check(in Type) error {
	if r.Address == "" {
		return fmt.Errorf("the %s record has no address", in)
	}
	return nil
}

// decodeChange reads the content of a record. A field that it does not know is
// an error, because the next snapshot would lose it.
func decodeChange(t Type, data []byte) (change, error) {
	var c change
	switch t {
	case TypeEpoch:
		// Read with every field allowed: this is the record that says whether the
		// others can be read.
		epoch := &epochChange{}
		if err := json.Unmarshal(data, epoch); err != nil {
			return nil, fmt.Errorf("the content of the epoch record cannot be read: %w", err)
		}
		if epoch.Format > FormatVersion {
			return nil, &NewerFormatError{Format: epoch.Format, Version: epoch.Version}
		}
		return epoch, nil
	case TypeIntent:
		c = &intentChange{Intent: &Intent{}}
	case TypeCheckpoint:
		c = &checkpointChange{}
	case TypeTry:
		c = &tryChange{}
	case TypePut:
		c = &putChange{}
	case TypeDelete:
		c = &deleteChange{}
	case TypeClose:
		c = &closeChange{}
	case TypeMove:
		c = &moveChange{}
	case TypeRename:
		c = &renameChange{}
	case TypeStatus:
		c = &statusChange{}
	case TypeOccupy:
		c = &occupyChange{}
	case TypeBackend:
		c = &backendChange{}
	case TypeRun:
		c = &runChange{}
	case TypeOutputs:
		c = &outputsChange{}
	case TypePlan:
		c = &planChange{}
	case TypeStep:
		c = &stepChange{}
	default:
		return nil, fmt.Errorf("the type of record %q is not known to this version of dstack", t)
	}
	if err := decodeStrict(data, c); err != nil {
		return nil, fmt.Errorf("the content of the %s record cannot be read: %w", t, err)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// decodeStrict reads exactly one JSON value without unknown fields.
func decodeStrict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("there is more than one value")
	}
	return nil
}
