// Package fake answers: what does core do when a cloud misbehaves?
//
// It is a provider of all five kinds whose cloud exists only in a World: in memory, or in one file that survives its
// processes and can be shared by several, so that a test kills what it likes and then counts what there really is.
//
// # What it is strict about
//
// An order that a real cloud would punish is an error here. An instance needs the support objects that its plan named,
// and they stay while it is there. An instance with running jobs or attachments, an attached volume, a gateway with
// routes and a job behind a route are not deleted: conflict. A job needs an attachment for each volume among its needs,
// and as many free shares as it takes. A volume is attached once, in its own zone. A key that comes back with another
// request is a conflict. What somebody removes from outside (World.Delete) takes with it what stood on it.
//
// # Settings
//
//	world              the file that holds what exists; else it is in memory (DSTACK_FAKE_WORLD)
//	account            the account, "fake" unless said: the backend's identity. Accounts do not see each other's objects
//	token              a credential for tests of secrecy (DSTACK_FAKE_TOKEN)
//	faults, seed       what goes wrong (DSTACK_FAKE_FAULTS), see Rule
//	latency            how long each call takes: "20ms". Half of a create's is before the object exists, half after
//	consistency_delay  how long Find and List miss what was just made
//	catalogue          what is sold, see Catalogue
//
// # Catalogue
//
// The default has us-east-1 (a, b, c), us-west-2 (a, b) and eu-west-1 (a, b). Each region has a quota of 256 g and 768 p
// for each account, and none of p5. Prices are dollars an hour.
//
//	type        CPUs  memory  disk     GPUs            price   spot    quota   sold
//	cpu.small      2     8GB                            0.10    0.03
//	cpu.medium     8    32GB                            0.40    0.12
//	cpu.large     32   128GB                            1.60    0.48
//	l4.1           8    32GB           1 x L4 24GB      0.80    0.24     8 g
//	a10g.1         8    32GB           1 x A10G 24GB    1.20    0.45     8 g
//	a10g.4        48   192GB           4 x A10G 24GB    5.67    2.10    48 g
//	a100.1        12   144GB  1000GB   1 x A100 40GB    4.10    1.60    12 p
//	a100.8        96  1152GB  8000GB   8 x A100 40GB   32.77   12.55    96 p
//	a100-80.8     96  1152GB  8000GB   8 x A100 80GB   40.97   15.70    96 p    not available in eu-west-1
//	h100.8       192  2048GB  30000GB  8 x H100 80GB   98.32   39.00   192 p5   us-east-1a, us-east-1b, us-west-2a
//	mi300x.8     192  1536GB  14000GB  8 x MI300X 192GB 48.00                   us-west-2b, two of them
//
// # Faults
//
// A script is a list of rules; each names a fault, the calls that it is about, and the moment.
//
//	[
//	  {"fault": "no_capacity", "kind": "instance", "type": "a100*", "zone": "us-east-1a"},
//	  {"fault": "throttled", "op": "create|update", "times": 3},
//	  {"fault": "throttled", "op": "read", "above": 4, "retry_after": "2s"},
//	  {"fault": "crash", "when": "checkpoint", "address": "fleet.train.instance[1]", "nth": 1, "times": 1},
//	  {"fault": "slow", "delay": "2s", "phases": ["waiting for capacity", "waiting for SSH"]},
//	  {"fault": "slow", "address": "volume.data", "until": "/tmp/go"},
//	  {"fault": "lost", "probability": 0.1},
//	  {"fault": "unreachable", "address": "fleet.lab.*"}
//	]
//
// All rules that apply happen, in their order, until one ends the call. How often a rule has applied is kept in the
// world, so that a provider that crashed and was started again does not crash for ever.
//
// # Jobs
//
// A job with the command `exit N` ends, after the seconds of its `sleep N` commands; any other runs until it is stopped
// or its max_duration is over. Its output is what its `echo` commands say.
package fake
