package gpu

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/dstackai/dstack-planner/agent/api"
)

// nvidia-smi and hl-smi answer in the same form: a line for each GPU, its values between commas.

// unknown is in the place of a value that a tool does not know: "[N/A]", "N/A", "[Not Supported]".
func unknown(text string) bool {
	text = strings.ToLower(strings.Trim(text, "[]"))
	return text == "n/a" || text == "not supported" || text == "unknown error"
}

// rows splits an answer into the values of each GPU.
func rows(tool string, out []byte, columns int) ([][]string, error) {
	var all [][]string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		values := strings.Split(line, ",")
		if len(values) != columns {
			return nil, fmt.Errorf("%s: cannot read %q", tool, line)
		}
		for i := range values {
			values[i] = strings.TrimSpace(values[i])
		}
		all = append(all, values)
	}
	return all, nil
}

// number reads a value that may have its unit behind it, "98304 MiB" or "3 %".
func number(tool, what, text string) (int, error) {
	digits, _, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: cannot read %s in %q", tool, what, text)
	}
	return n, nil
}

// parseList reads lines of id, name and MiB of memory.
func parseList(tool, vendor string, out []byte) ([]api.GPU, error) {
	all, err := rows(tool, out, 3)
	if err != nil {
		return nil, err
	}
	var gpus []api.GPU
	for _, r := range all {
		mib, err := number(tool, "memory", r[2])
		if err != nil {
			return nil, err
		}
		gpus = append(gpus, api.GPU{Vendor: vendor, ID: r[0], Name: r[1], MemoryMiB: mib})
	}
	return gpus, nil
}

// parseUse reads lines of id, MiB of memory that are used, MiB that there are, and percent of use.
func parseUse(tool string, out []byte) ([]Use, error) {
	all, err := rows(tool, out, 4)
	if err != nil {
		return nil, err
	}
	var uses []Use
	for _, r := range all {
		u := Use{ID: r[0], Percent: -1}
		if !unknown(r[1]) && !unknown(r[2]) {
			used, err := number(tool, "memory", r[1])
			if err != nil {
				return nil, err
			}
			total, err := number(tool, "memory", r[2])
			if err != nil {
				return nil, err
			}
			u.Memory, u.MemoryTotal = int64(used)<<20, int64(total)<<20
		}
		if !unknown(r[3]) {
			if u.Percent, err = number(tool, "use", r[3]); err != nil {
				return nil, err
			}
		}
		uses = append(uses, u)
	}
	return uses, nil
}

const nvidiaSMI = "nvidia-smi"

func (t Tools) listNVIDIA(ctx context.Context) ([]api.GPU, error) {
	out, found, err := t.run(ctx, nvidiaSMI, "--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits")
	if err != nil || !found {
		return nil, err
	}
	return parseList(nvidiaSMI, NVIDIA, out)
}

func (t Tools) useNVIDIA(ctx context.Context, _ []api.GPU) ([]Use, error) {
	out, found, err := t.run(ctx, nvidiaSMI, "--query-gpu=uuid,memory.used,memory.total,utilization.gpu", "--format=csv,noheader,nounits")
	if err != nil || !found {
		return nil, err
	}
	return parseUse(nvidiaSMI, out)
}

const hlSMI = "hl-smi"

// listIntel lists Gaudi accelerators. A container is given them by their index.
func (t Tools) listIntel(ctx context.Context) ([]api.GPU, error) {
	out, found, err := t.run(ctx, hlSMI, "--query-aip=index,name,memory.total", "--format=csv,noheader,nounits")
	if err != nil || !found {
		return nil, err
	}
	return parseList(hlSMI, Intel, out)
}

func (t Tools) useIntel(ctx context.Context, _ []api.GPU) ([]Use, error) {
	out, found, err := t.run(ctx, hlSMI, "--query-aip=index,memory.used,memory.total,utilization.aip", "--format=csv,noheader,nounits")
	if err != nil || !found {
		return nil, err
	}
	return parseUse(hlSMI, out)
}
