package wire

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
	"github.com/dstackai/dstack-planner/schema"
)

type (
	object   = providers.Object[cty.Value]
	op       = providers.Op[cty.Value]
	report   = providers.Report[cty.Value]
	progress = providers.Progress[cty.Value]
	observed = providers.Observed[cty.Value]
	found    = providers.Found[cty.Value]
	resource = providers.Resource[cty.Value]
)

func encodeObject(o shape, in object) (*pb.Object, error) {
	v, err := encodeValue(o, in.Value)
	if err != nil {
		return nil, err
	}
	return &pb.Object{Id: in.ID, Value: v, Private: in.Private, Tainted: in.Tainted}, nil
}

func decodeObject(o shape, in *pb.Object) (object, error) {
	v, err := decodeValue(o, in.GetValue())
	if err != nil {
		return object{}, err
	}
	return object{ID: in.GetId(), Value: v, Private: in.GetPrivate(), Tainted: in.GetTainted()}, nil
}

// sameObject tells whether two objects have the same encoding.
func sameObject(a, b *pb.Object) bool {
	return a.GetId() == b.GetId() && a.GetTainted() == b.GetTainted() && bytes.Equal(a.GetPrivate(), b.GetPrivate()) &&
		sameValue(a.GetValue(), b.GetValue())
}

func encodeNeeds(in []providers.Need) ([]*pb.Need, error) {
	out := make([]*pb.Need, len(in))
	for i, n := range in {
		k, err := shapeOf(n.Kind)
		if err != nil {
			return nil, err
		}
		o, err := encodeObject(k, n.Object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Address, err)
		}
		out[i] = &pb.Need{Address: n.Address, Kind: n.Kind, Backend: n.Backend, Object: o}
	}
	return out, nil
}

func decodeNeeds(in []*pb.Need) ([]providers.Need, error) {
	var out []providers.Need
	for _, n := range in {
		k, err := shapeOf(n.GetKind())
		if err != nil {
			return nil, err
		}
		o, err := decodeObject(k, n.GetObject())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.GetAddress(), err)
		}
		out = append(out, providers.Need{Address: n.GetAddress(), Kind: n.GetKind(), Backend: n.GetBackend(), Object: o})
	}
	return out, nil
}

func encodeFound(o shape, in found) (*pb.FoundItem, error) {
	obj, err := encodeObject(o, in.Object)
	if err != nil {
		return nil, err
	}
	return &pb.FoundItem{Key: in.Key, Address: in.Address, Object: obj, Complete: in.Complete}, nil
}

func decodeFound(o shape, in *pb.FoundItem) (found, error) {
	obj, err := decodeObject(o, in.GetObject())
	if err != nil {
		return found{}, err
	}
	return found{Key: in.GetKey(), Address: in.GetAddress(), Object: obj, Complete: in.GetComplete()}, nil
}

func encodeChange(o shape, in providers.Change) (*pb.PlanItem, error) {
	out := &pb.PlanItem{Address: in.Address}
	var err error
	if in.Prior != nil {
		if out.Prior, err = encodeObject(o, *in.Prior); err != nil {
			return nil, fmt.Errorf("%s: %w", in.Address, err)
		}
	}
	if out.Want, err = encodeValue(o, in.Want); err != nil {
		return nil, fmt.Errorf("%s: %w", in.Address, err)
	}
	if in.Offer != nil {
		if out.Offer, err = json.Marshal(in.Offer); err != nil {
			return nil, fmt.Errorf("%s: encode the offer: %w", in.Address, err)
		}
	}
	return out, nil
}

func decodeChange(o shape, in *pb.PlanItem) (providers.Change, error) {
	out := providers.Change{Address: in.GetAddress()}
	if in.GetPrior() != nil {
		prior, err := decodeObject(o, in.GetPrior())
		if err != nil {
			return out, fmt.Errorf("%s: %w", out.Address, err)
		}
		out.Prior = &prior
	}
	var err error
	if out.Want, err = decodeValue(o, in.GetWant()); err != nil {
		return out, fmt.Errorf("%s: %w", out.Address, err)
	}
	if len(in.GetOffer()) > 0 {
		out.Offer = &schema.Offer{}
		if err := json.Unmarshal(in.GetOffer(), out.Offer); err != nil {
			return out, fmt.Errorf("%s: decode the offer: %w", out.Address, err)
		}
	}
	return out, nil
}

// encodePlanned encodes an answer to a change that came as want: a value just as it was wanted is not sent back.
func encodePlanned(o shape, want *pb.Value, in providers.Planned) (*pb.PlannedItem, error) {
	out := &pb.PlannedItem{}
	if in.Err != nil {
		out.Error = encodeError(in.Err)
	}
	v, err := encodeValue(o, in.Value)
	if err != nil {
		return nil, err
	}
	if out.Same = sameValue(v, want); !out.Same {
		out.Value = v
	}
	out.Warnings = in.Warnings
	for _, r := range in.Replace {
		out.Replace = append(out.Replace, &pb.ReplaceReason{Path: r.Path, Why: r.Why})
	}
	for _, s := range in.Supports {
		v, err := encodeValue(supportShape(), schema.Encode(s.Value))
		if err != nil {
			return nil, err
		}
		out.Supports = append(out.Supports, &pb.PlannedSupport{Owner: s.Owner, Name: s.Name, Value: v})
	}
	return out, nil
}

func decodePlanned(o shape, want cty.Value, in *pb.PlannedItem) (providers.Planned, error) {
	out := providers.Planned{Value: want, Warnings: in.GetWarnings()}
	if in.GetError() != nil {
		// A change that cannot be made has a kind in any case.
		e, ok := decodeError(in.GetError()).(*providers.Error)
		if !ok {
			e = &providers.Error{Kind: providers.Transient, Message: in.GetError().GetMessage()}
		}
		out.Err = e
	}
	if !in.GetSame() {
		var err error
		if out.Value, err = decodeValue(o, in.GetValue()); err != nil {
			return out, err
		}
	}
	for _, r := range in.GetReplace() {
		out.Replace = append(out.Replace, providers.ReplaceReason{Path: r.GetPath(), Why: r.GetWhy()})
	}
	for _, s := range in.GetSupports() {
		v, err := decodeValue(supportShape(), s.GetValue())
		if err != nil {
			return out, err
		}
		typed, err := schema.Decode[schema.Support](v)
		if err != nil {
			return out, fmt.Errorf("support %s: %w", s.GetName(), err)
		}
		out.Supports = append(out.Supports, providers.PlannedSupport{Owner: s.GetOwner(), Name: s.GetName(), Value: typed})
	}
	return out, nil
}

func encodeRequirements(in schema.Requirements) (*pb.Requirements, error) {
	data, err := json.Marshal(&in)
	if err != nil {
		return nil, fmt.Errorf("encode requirements: %w", err)
	}
	v, err := encodeValue(resourcesShape(), schema.Encode(in.Resources))
	if err != nil {
		return nil, err
	}
	return &pb.Requirements{Json: data, Resources: v}, nil
}

func decodeRequirements(in *pb.Requirements) (schema.Requirements, error) {
	var out schema.Requirements
	if err := json.Unmarshal(in.GetJson(), &out); err != nil {
		return out, fmt.Errorf("decode requirements: %w", err)
	}
	v, err := decodeValue(resourcesShape(), in.GetResources())
	if err != nil {
		return out, err
	}
	out.Resources, err = schema.Decode[schema.Resources](v)
	return out, err
}
