// Package agent answers one question: how does a job run on a machine when nobody watches it?
//
// The program dstack-agent is several processes. The agent ("serve") takes jobs over a Unix socket, lends host blocks and GPUs
// to them and answers questions. For each job it starts a supervisor ("supervise") in a session of its own, which holds
// everything that the job's life depends on: it starts the job, writes its output and its exit code to disk, ends it when it
// was asked to or the time is over, and kills what it left behind. The agent can therefore die and come back at any moment: it
// finds its jobs in its folder again and misses nothing. Between supervisor and job stands, for a moment, a third process
// ("stage"), which sets up the job's namespaces from within and then becomes the job.
//
//	DIR/agent.lock          held by the agent
//	DIR/agent.sock          package agent/api
//	DIR/access.json         who may enter jobs
//	DIR/jobs/ID/record.json what was asked for, and what was lent
//	DIR/jobs/ID/status.json how it goes, written by the supervisor
//	DIR/jobs/ID/lock        held by the supervisor: whether it can be taken tells whether the supervisor lives
//	DIR/jobs/ID/control.sock
//	DIR/jobs/ID/log/        the output
//	DIR/jobs/ID/host_key    by which the job's SSH server is known
//	DIR/jobs/ID/presence.json who was connected last
//	DIR/jobs/ID/work/       the job's own folder, with its code: where it starts unless it says otherwise
//	DIR/jobs/ID/files/      files that it finds elsewhere
//	DIR/jobs/ID/mnt/        its mounts, where they are links
//	DIR/blobs/              what was sent for jobs, by digest
//	DIR/images              the images that were pulled for jobs
//
// The values of a job's environment are in none of these files: they go from process to process through pipes.
package agent
