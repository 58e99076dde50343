package agent

import (
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/agent/api"
)

// locks knows which host blocks and GPUs of the machine are whose. Its owner guards it.
type locks struct {
	blocks []string // owner of each, or ""
	gpus   []string // ids in the machine's order
	gpuOf  map[string]string
}

func newLocks(blocks int, gpus []api.GPU) *locks {
	l := &locks{blocks: make([]string, max(blocks, 1)), gpuOf: make(map[string]string)}
	for _, g := range gpus {
		l.gpus = append(l.gpus, g.ID)
	}
	return l
}

// acquire gives owner a number of blocks (0: all) and GPUs (-1: all), or nothing and the reason.
func (l *locks) acquire(owner string, blocks, gpus int) (gotBlocks []int, gotGPUs []string, err *api.Error) {
	if blocks == 0 {
		blocks = len(l.blocks)
	}
	if gpus < 0 {
		gpus = len(l.gpus)
	}
	switch {
	case blocks > len(l.blocks):
		return nil, nil, api.Errorf(api.KindInvalid, "job %s needs %d host blocks, and this machine has %d", owner, blocks, len(l.blocks))
	case gpus > len(l.gpus):
		return nil, nil, api.Errorf(api.KindInvalid, "job %s needs %d GPUs, and this machine has %d", owner, gpus, len(l.gpus))
	}
	for i, o := range l.blocks {
		if o == "" && len(gotBlocks) < blocks {
			gotBlocks = append(gotBlocks, i)
		}
	}
	for _, id := range l.gpus {
		if l.gpuOf[id] == "" && len(gotGPUs) < gpus {
			gotGPUs = append(gotGPUs, id)
		}
	}
	if len(gotBlocks) < blocks {
		return nil, nil, api.Errorf(api.KindConflict, "job %s needs %d host blocks, and %d of %d are free; the others are held by %s",
			owner, blocks, len(gotBlocks), len(l.blocks), l.holders())
	}
	if len(gotGPUs) < gpus {
		return nil, nil, api.Errorf(api.KindConflict, "job %s needs %d GPUs, and %d of %d are free; the others are held by %s",
			owner, gpus, len(gotGPUs), len(l.gpus), l.holders())
	}
	l.restore(owner, gotBlocks, gotGPUs)
	return gotBlocks, gotGPUs, nil
}

// restore gives owner what it held before.
func (l *locks) restore(owner string, blocks []int, gpus []string) {
	for _, i := range blocks {
		if i >= 0 && i < len(l.blocks) {
			l.blocks[i] = owner
		}
	}
	for _, id := range gpus {
		l.gpuOf[id] = owner
	}
}

// release takes back what owner holds, and nothing that another has got since.
func (l *locks) release(owner string) {
	for i, o := range l.blocks {
		if o == owner {
			l.blocks[i] = ""
		}
	}
	for id, o := range l.gpuOf {
		if o == owner {
			delete(l.gpuOf, id)
		}
	}
}

// busy returns how many blocks and which GPUs are held.
func (l *locks) busy() (blocks int, gpus []string) {
	for _, o := range l.blocks {
		if o != "" {
			blocks++
		}
	}
	for id := range l.gpuOf {
		gpus = append(gpus, id)
	}
	slices.Sort(gpus)
	return blocks, gpus
}

func (l *locks) holders() string {
	var owners []string
	for _, o := range l.blocks {
		if o != "" {
			owners = append(owners, o)
		}
	}
	for _, o := range l.gpuOf {
		owners = append(owners, o)
	}
	slices.Sort(owners)
	return strings.Join(slices.Compact(owners), ", ")
}
