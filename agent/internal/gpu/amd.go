package gpu

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dstackai/dstack-planner/agent/api"
)

const amdSMI = "amd-smi"

// listAMD lists AMD's GPUs. A container is given them by their render nodes, which are their ids.
func (t Tools) listAMD(ctx context.Context) ([]api.GPU, error) {
	out, found, err := t.run(ctx, amdSMI, "static", "--asic", "--bus", "--vram", "--json")
	if err != nil || !found {
		return nil, err
	}
	devices, err := parseAMD(out)
	if err != nil {
		return nil, err
	}
	var gpus []api.GPU
	for _, d := range devices {
		mib, ok := d.VRAM.Size.mib()
		if !ok {
			return nil, fmt.Errorf("%s: it does not say how much memory GPU %d has", amdSMI, d.GPU)
		}
		node, err := t.renderNode(d.Bus.BDF)
		if err != nil {
			return nil, err
		}
		gpus = append(gpus, api.GPU{Vendor: AMD, ID: node, Name: d.ASIC.MarketName, MemoryMiB: mib})
	}
	return gpus, nil
}

// useAMD measures. The tool names GPUs by their number here, which is their place in its list.
func (t Tools) useAMD(ctx context.Context, gpus []api.GPU) ([]Use, error) {
	out, found, err := t.run(ctx, amdSMI, "metric", "--usage", "--mem-usage", "--json")
	if err != nil || !found {
		return nil, err
	}
	devices, err := parseAMD(out)
	if err != nil {
		return nil, err
	}
	if len(devices) != len(gpus) {
		return nil, fmt.Errorf("%s: it measures %d GPUs, and %d are known", amdSMI, len(devices), len(gpus))
	}
	uses := make([]Use, len(devices))
	for i, d := range devices {
		uses[i] = Use{ID: gpus[i].ID, Percent: -1}
		used, ok1 := d.Memory.Used.mib()
		total, ok2 := d.Memory.Total.mib()
		if ok1 && ok2 {
			uses[i].Memory, uses[i].MemoryTotal = int64(used)<<20, int64(total)<<20
		}
		if d.Usage.Graphics.known {
			uses[i].Percent = int(math.Round(d.Usage.Graphics.value))
		}
	}
	return uses, nil
}

// renderNode is the device of a GPU by its place on the bus.
func (t Tools) renderNode(bdf string) (string, error) {
	nodes, err := filepath.Glob(filepath.Join(cmp.Or(t.Sys, "/sys"), "bus/pci/devices", strings.ToLower(filepath.Base(bdf)), "drm/renderD*"))
	if err != nil || len(nodes) == 0 {
		return "", fmt.Errorf("%s: the GPU at %q has no render node; see whether its driver is loaded: lsmod | grep amdgpu", amdSMI, bdf)
	}
	return "/dev/dri/" + filepath.Base(nodes[0]), nil
}

// amdDevice is what amd-smi says of one GPU, as far as it was asked.
type amdDevice struct {
	GPU  int `json:"gpu"`
	ASIC struct {
		MarketName string `json:"market_name"`
	} `json:"asic"`
	Bus struct {
		BDF string `json:"bdf"`
	} `json:"bus"`
	VRAM struct {
		Size quantity `json:"size"`
	} `json:"vram"`
	Usage struct {
		Graphics quantity `json:"gfx_activity"`
	} `json:"usage"`
	Memory struct {
		Used  quantity `json:"used_vram"`
		Total quantity `json:"total_vram"`
	} `json:"mem_usage"`
}

// parseAMD reads an answer of amd-smi: a list, which later versions have in an object.
func parseAMD(out []byte) ([]amdDevice, error) {
	// Warnings stand before the answer.
	if at := bytes.IndexAny(out, "[{"); at > 0 {
		out = out[at:]
	}
	var devices []amdDevice
	var within struct {
		Devices []amdDevice `json:"gpu_data"`
	}
	var err error
	if bytes.HasPrefix(out, []byte("{")) {
		err = json.Unmarshal(out, &within)
		devices = within.Devices
	} else {
		err = json.Unmarshal(out, &devices)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: its answer cannot be read: %w", amdSMI, err)
	}
	slices.SortFunc(devices, func(a, b amdDevice) int { return cmp.Compare(a.GPU, b.GPU) })
	return devices, nil
}

// quantity is a number with its unit. Versions of amd-smi differ: an object of both, a number alone, or words where it does not
// know.
type quantity struct {
	known bool
	value float64
	unit  string
}

// UnmarshalJSON reads every form.
func (q *quantity) UnmarshalJSON(data []byte) error {
	var with struct {
		Value json.RawMessage `json:"value"`
		Unit  string          `json:"unit"`
	}
	if json.Unmarshal(data, &with) == nil && len(with.Value) > 0 {
		data = with.Value
	}
	if json.Unmarshal(data, &q.value) == nil && q.value >= 0 && !bytes.Equal(data, []byte("null")) {
		q.known, q.unit = true, with.Unit
	}
	return nil
}

// mib is an amount of memory; ok is false if it is not known.
func (q quantity) mib() (n int, ok bool) {
	factor := 0.0
	switch strings.ToUpper(q.unit) {
	case "", "MB", "MIB": // the tool's MB are MiB
		factor = 1
	case "GB", "GIB":
		factor = 1 << 10
	case "B", "BYTES":
		factor = 1.0 / (1 << 20)
	}
	return int(q.value * factor), q.known && factor > 0
}
