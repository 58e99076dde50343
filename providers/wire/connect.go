package wire

import (
	"context"

	"github.com/dstackai/dstack-planner/providers"
	pb "github.com/dstackai/dstack-planner/providers/wire/proto"
	"github.com/dstackai/dstack-planner/schema"
)

// ConnectJob says where the agent of a job is reached. As with Rename, every backend behind a wire has it.
func (b *backend) ConnectJob(ctx context.Context, job providers.Object[schema.Job], needs []providers.Need) (providers.Connection, error) {
	if !b.connects {
		return providers.Connection{}, unsupported("way into a job")
	}
	o, n, err := encodeJob(job, needs)
	if err != nil {
		return providers.Connection{}, err
	}
	conn, id, err := b.at(ctx)
	if err != nil {
		return providers.Connection{}, err
	}
	resp, err := conn.rpc.ConnectJob(ctx, &pb.ConnectJobRequest{Backend: id, Job: o, Needs: n})
	if err != nil {
		return providers.Connection{}, fromStatus(ctx, conn, err)
	}
	return providers.Connection{Folder: resp.GetFolder(), Job: resp.GetJob()}, nil
}

func (s *server) ConnectJob(ctx context.Context, req *pb.ConnectJobRequest) (*pb.ConnectJobResponse, error) {
	b, job, needs, err := s.job(req.GetBackend(), req.GetJob(), req.GetNeeds())
	if err != nil {
		return nil, err
	}
	connector, ok := b.(providers.Connector)
	if !ok {
		return nil, unsupported("way into a job")
	}
	c, err := connector.ConnectJob(ctx, job, needs)
	return &pb.ConnectJobResponse{Folder: c.Folder, Job: c.Job}, err
}
