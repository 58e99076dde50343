package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/agent/api"
)

// gpuWait bounds how long the vendor's tool may take: with a broken driver it hangs.
const gpuWait = 20 * time.Second

// readGPUs lists the machine's NVIDIA GPUs, in the driver's order. A machine without the tool has none.
func readGPUs(ctx context.Context) ([]api.GPU, error) {
	tool, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, gpuWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, "--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("nvidia-smi did not answer within %s", gpuWait)
	}
	if err != nil {
		said := strings.TrimSpace(string(out))
		var exit *exec.ExitError
		if said == "" && errors.As(err, &exit) {
			said = strings.TrimSpace(string(exit.Stderr))
		}
		return nil, fmt.Errorf("nvidia-smi: %w: %s", err, said)
	}
	return parseGPUs(string(out))
}

// parseGPUs reads the answer of nvidia-smi: a line for each GPU with its id, name and MiB of memory.
func parseGPUs(out string) ([]api.GPU, error) {
	var gpus []api.GPU
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		f := strings.Split(line, ",")
		if len(f) != 3 {
			return nil, fmt.Errorf("nvidia-smi: cannot read %q", line)
		}
		name := gpuName(strings.TrimSpace(f[1]))
		mib, err := strconv.Atoi(strings.TrimSpace(f[2]))
		if err != nil || mib < 0 {
			return nil, fmt.Errorf("nvidia-smi: cannot read memory in %q", line)
		}
		gpus = append(gpus, api.GPU{Vendor: "nvidia", Name: name, MemoryMiB: gpuMemory(name, mib), ID: strings.TrimSpace(f[0])})
	}
	return gpus, nil
}

// gpuName is the short name of a GPU: its vendor's words and what repeats the memory's size are left out, and what tells
// models apart is glued to the name.
func gpuName(full string) string {
	if strings.Contains(full, "GH200") {
		return "GH200"
	}
	if name, ok := map[string]string{"HL-225": "Gaudi2", "MI300X-O": "MI300X"}[full]; ok {
		return name
	}
	full = strings.NewReplacer(" Ti", "Ti", " NVL", "NVL", " Ada Generation", "Ada", " SUPER", "SUPER").Replace(full)
	name := ""
	for word := range strings.FieldsSeq(full) {
		switch {
		case word == "NVIDIA" || word == "GeForce" || word == "Tesla" || word == "Quadro" || word == "AMD" || word == "Instinct":
		case word == "RTX" && name == "":
			name = word
		case name == "RTX":
			// "RTX A6000" is called A6000, "RTX 4090" is called RTX4090.
			if word[0] != 'A' {
				word = name + word
			}
			return model(word)
		default:
			return model(word)
		}
	}
	return name
}

// model cuts what follows the model in names such as A100-SXM4-80GB.
func model(word string) string {
	name, _, _ := strings.Cut(word, "-")
	return name
}

// knownMemory is the memory in GiB that GPUs are sold with; a driver shows less, by what it keeps.
func knownMemory(name string) []int {
	return map[string][]int{
		"A10": {24}, "A100": {40, 80}, "A10G": {24}, "A16": {16}, "A2": {16}, "A30": {24}, "A40": {48},
		"A4000": {16}, "A4500": {20}, "A5000": {24}, "A5500": {24}, "A6000": {48},
		"B200": {180, 192}, "B300": {288}, "GH200": {96, 144}, "H100": {80, 94}, "H100NVL": {94}, "H200": {141}, "H200NVL": {141},
		"L4": {24}, "L40": {48}, "L40S": {48}, "P100": {12, 16}, "P4": {8}, "P40": {24}, "T4": {16}, "V100": {16, 32},
		"RTX2000Ada": {16}, "RTX4000": {8}, "RTX4000Ada": {20}, "RTX5000": {16}, "RTX5000Ada": {32}, "RTX6000": {24}, "RTX6000Ada": {48}, "RTX8000": {48},
		"RTX3060": {8, 12}, "RTX3060Ti": {8}, "RTX3070": {8}, "RTX3070Ti": {8}, "RTX3080": {10, 12}, "RTX3080Ti": {12},
		"RTX3090": {24}, "RTX3090Ti": {24}, "RTX4060": {8}, "RTX4060Ti": {8, 16}, "RTX4070": {12}, "RTX4070Ti": {12},
		"RTX4080": {16}, "RTX4080SUPER": {16}, "RTX4090": {24}, "RTX5070": {12}, "RTX5080": {16}, "RTX5090": {32},
		"Gaudi2": {96}, "MI300X": {192},
	}[name]
}

// gpuMemory is the size in MiB that a GPU is sold with, where its model is known and the difference below 7 %; else the
// driver's, rounded to GiB.
func gpuMemory(name string, mib int) int {
	best, distance := 0, math.Inf(1)
	for _, gib := range knownMemory(name) {
		d := math.Abs(float64(mib)/1024-float64(gib)) / float64(gib)
		if d < distance {
			best, distance = gib, d
		}
	}
	if distance < 0.07 {
		return best * 1024
	}
	return int(math.Round(float64(mib)/1024)) * 1024
}
