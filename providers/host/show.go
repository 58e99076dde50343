package host

import (
	"strconv"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// Show brings into a job what its agent knows of it.
func Show(job *schema.Job, seen api.Job) {
	job.ID = seen.ID
	job.Attempt = seen.Attempt
	if n, err := strconv.Atoi(seen.Labels[api.LabelAttempt]); err == nil && job.Attempt == 0 {
		job.Attempt = n // of an agent that tries nothing again
	}
	job.Attempt = max(job.Attempt, 1)
	job.Status, job.Reason, job.Message = string(seen.Status), string(seen.Reason), seen.Message
	job.ExitCode = seen.ExitCode
	job.Submitted, job.Started, job.Finished = stamp(seen.SubmittedAt), stamp(seen.StartedAt), stamp(seen.FinishedAt)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Recall is the job that an agent knows, without what is secret and with what it shows.
func Recall(seen api.Job) (schema.Job, error) {
	var job schema.Job
	v, err := schema.UnmarshalValue(schema.Of[schema.Job](), seen.Spec.Extra)
	if err == nil {
		job, err = schema.Decode[schema.Job](v)
	}
	if err != nil {
		return job, providers.Errorf(providers.Internal, "what the agent keeps of job %s cannot be read: %w", seen.ID, err)
	}
	Show(&job, seen)
	return job, nil
}
