package wire

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/dstackai/dstack-planner/providers"
	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
)

// Rename and the methods of an importer belong to every backend behind a wire; whether the far side has them is told by its
// description, and by errors.ErrUnsupported.

// Rename writes down the address that an object has from now on.
func (b *backend) Rename(ctx context.Context, kind string, recorded providers.Object[cty.Value], address string) error {
	if !b.renames {
		return unsupported("tags that change")
	}
	o, err := shapeOf(kind)
	if err != nil {
		return err
	}
	obj, err := encodeObject(o, recorded)
	if err != nil {
		return err
	}
	conn, id, err := b.at(ctx)
	if err != nil {
		return err
	}
	_, err = conn.rpc.Rename(ctx, &pb.RenameRequest{Target: &pb.Target{Backend: id, Kind: kind}, Object: obj, Address: address})
	return fromStatus(ctx, conn, err)
}

// Locate looks something up by its id.
func (b *backend) Locate(ctx context.Context, kind, id string) (providers.Located, error) {
	if !b.imports {
		return providers.Located{}, unsupported("import")
	}
	conn, backend, err := b.at(ctx)
	if err != nil {
		return providers.Located{}, err
	}
	resp, err := conn.rpc.Locate(ctx, &pb.LocateRequest{Target: &pb.Target{Backend: backend, Kind: kind}, Id: id})
	if err != nil {
		return providers.Located{}, fromStatus(ctx, conn, err)
	}
	return decodeLocated(kind, resp.GetLocated())
}

// Adopt makes something one of ours.
func (b *backend) Adopt(ctx context.Context, kind, id string, as providers.Adoption) (providers.Located, error) {
	if !b.imports {
		return providers.Located{}, unsupported("import")
	}
	conn, backend, err := b.at(ctx)
	if err != nil {
		return providers.Located{}, err
	}
	resp, err := conn.rpc.Adopt(ctx, &pb.AdoptRequest{Target: &pb.Target{Backend: backend, Kind: kind}, Id: id, Address: as.Address, Lineage: as.Lineage, Key: as.Key})
	if err != nil {
		return providers.Located{}, fromStatus(ctx, conn, err)
	}
	return decodeLocated(kind, resp.GetLocated())
}

func decodeLocated(kind string, in *pb.Located) (providers.Located, error) {
	out := providers.Located{Lineage: in.GetLineage(), Address: in.GetAddress(), Key: in.GetKey(), Warnings: in.GetWarnings()}
	o, err := shapeOf(kind)
	if err != nil {
		return out, err
	}
	if out.Object, err = decodeObject(o, in.GetObject()); err != nil {
		return out, providers.Errorf(providers.Internal, "what the provider located cannot be read: %w", err)
	}
	if out.Object.ID == "" {
		return out, providers.Errorf(providers.Internal, "the provider located something without an id")
	}
	return out, nil
}

func encodeLocated(o shape, in providers.Located) (*pb.Located, error) {
	obj, err := encodeObject(o, in.Object)
	if err != nil {
		return nil, fmt.Errorf("what was located cannot be sent: %w", err)
	}
	return &pb.Located{Object: obj, Lineage: in.Lineage, Address: in.Address, Key: in.Key, Warnings: in.Warnings}, nil
}

func (s *server) Rename(ctx context.Context, req *pb.RenameRequest) (*pb.RenameResponse, error) {
	o, err := shapeOf(req.GetTarget().GetKind())
	if err != nil {
		return nil, err
	}
	b, err := s.backend(req.GetTarget().GetBackend())
	if err != nil {
		return nil, err
	}
	renamer, ok := b.(providers.Renamer)
	if !ok {
		return nil, unsupported("tags that change")
	}
	obj, err := decodeObject(o, req.GetObject())
	if err != nil {
		return nil, providers.Errorf(providers.Invalid, "%w", err)
	}
	return &pb.RenameResponse{}, renamer.Rename(ctx, req.GetTarget().GetKind(), obj, req.GetAddress())
}

// importer finds the backend of a target that takes things over.
func (s *server) importer(t *pb.Target) (providers.Importer, shape, error) {
	o, err := shapeOf(t.GetKind())
	if err != nil {
		return nil, o, err
	}
	b, err := s.backend(t.GetBackend())
	if err != nil {
		return nil, o, err
	}
	i, ok := b.(providers.Importer)
	if !ok {
		return nil, o, unsupported("import")
	}
	return i, o, nil
}

func (s *server) Locate(ctx context.Context, req *pb.LocateRequest) (*pb.LocateResponse, error) {
	i, o, err := s.importer(req.GetTarget())
	if err != nil {
		return nil, err
	}
	got, err := i.Locate(ctx, req.GetTarget().GetKind(), req.GetId())
	if err != nil {
		return nil, err
	}
	located, err := encodeLocated(o, got)
	return &pb.LocateResponse{Located: located}, err
}

func (s *server) Adopt(ctx context.Context, req *pb.AdoptRequest) (*pb.AdoptResponse, error) {
	i, o, err := s.importer(req.GetTarget())
	if err != nil {
		return nil, err
	}
	got, err := i.Adopt(ctx, req.GetTarget().GetKind(), req.GetId(), providers.Adoption{Address: req.GetAddress(), Lineage: req.GetLineage(), Key: req.GetKey()})
	if err != nil {
		return nil, err
	}
	located, err := encodeLocated(o, got)
	return &pb.AdoptResponse{Located: located}, err
}
