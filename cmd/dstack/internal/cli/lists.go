package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// listCommand is one of the commands that list what is there.
func listCommand(a *app, use, short string, kinds []string, print func(r *recorded, o render.Options) error) *cobra.Command {
	var in inputs
	var verbose bool
	cmd := &cobra.Command{
		Use: use, Short: short, Args: args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			f, err := a.openState(ctx, in)
			if err != nil {
				return err
			}
			defer f.close()
			_, r, err := f.look(ctx, kinds...)
			if err != nil {
				return failedWith(err, "State cannot be listed")
			}
			o := a.options()
			o.Verbose = verbose
			return print(r, o)
		},
	}
	in.register(cmd)
	jsonFlag(a, cmd, "print a JSON list")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "more columns")
	return cmd
}

// instanceJSON is an instance in `fleet --json`.
type instanceJSON struct {
	Address      string        `json:"address"`
	Fleet        string        `json:"fleet"`
	Name         string        `json:"name"`
	Backend      string        `json:"backend"`
	Region       string        `json:"region,omitempty"`
	Zone         string        `json:"zone,omitempty"`
	InstanceType string        `json:"instance_type,omitempty"`
	CPUs         int           `json:"cpus"`
	MemoryMiB    int64         `json:"memory_mib"`
	DiskMiB      int64         `json:"disk_mib"`
	GPUs         []schema.GPU  `json:"gpus,omitempty"`
	AgentVersion string        `json:"agent_version,omitempty"`
	Facts        *schema.Facts `json:"facts,omitempty"`
	Spot         bool          `json:"spot,omitempty"`
	Price        *float64      `json:"price"`
	Status       string        `json:"status"`
	Blocks       int           `json:"blocks,omitempty"`
	BusyBlocks   int           `json:"busy_blocks"`
	Jobs         []string      `json:"jobs"`
	CreatedAt    time.Time     `json:"created_at,omitzero"`
	Error        string        `json:"error,omitempty"`
}

func fleetCommand(a *app) *cobra.Command {
	return listCommand(a, "fleet", "List instances", []string{addr.KindInstance, addr.KindJob}, func(r *recorded, o render.Options) error {
		names := slices.SortedFunc(maps.Keys(r.nodes), statefile.CompareAddresses)
		if a.json {
			list := []instanceJSON{}
			for _, name := range names {
				list = append(list, r.nodes[name].json())
			}
			return a.printJSON(list)
		}
		if len(names) == 0 {
			a.printf("No instance is recorded.\n")
			return nil
		}
		var rows []render.FleetRow
		for _, name := range names {
			n := r.nodes[name]
			rows = append(rows, render.FleetRow{
				Fleet: n.owner(), Reservation: n.Reservation, Instance: n.Addr.Key().Text(), Backend: n.Instance.Backend, Region: n.Region, Zone: n.Zone,
				Hardware: hardware(n.offer(), n.Spot), Price: priceOf(n.Price), Blocks: n.TotalBlocks, Busy: n.blocks, Status: n.status(), Created: n.CreatedAt, Error: n.trouble(),
			})
		}
		a.printf("%s", render.Fleets(rows, o))
		return nil
	})
}

// owner is the name of the fleet, or the address of the run that brought the instance.
func (n *node) owner() string {
	if n.Addr.Block.Type == "fleet" {
		return strings.TrimSuffix(n.Instance.Name, "-"+n.Addr.Key().Text())
	}
	return n.Addr.Block.String()
}

// status is what the provider says, or how it could not be asked.
func (n *node) status() string {
	switch {
	case n.Presence == providers.Gone:
		return "gone"
	case n.Presence == providers.Unknown:
		return "not checked"
	case n.Instance.Status == "idle" && n.blocks > 0:
		return "busy"
	case n.Instance.Status == "":
		return n.Resource.Status
	}
	return n.Instance.Status
}

func (n *node) trouble() string { return troubleOf(n.Live) }

func troubleOf(l planner.Live) string {
	if l.Err == nil {
		return ""
	}
	first, _, _ := strings.Cut(l.Err.Error(), "\n")
	return first
}

func (n *node) json() instanceJSON {
	jobs := n.jobs
	if jobs == nil {
		jobs = []string{}
	}
	return instanceJSON{
		Address: n.Resource.Address, Fleet: n.owner(), Name: n.Instance.Name, Backend: n.Instance.Backend, Region: n.Region, Zone: n.Zone, InstanceType: n.InstanceType,
		CPUs: n.CPUs, MemoryMiB: n.MemoryMiB, DiskMiB: n.DiskMiB, GPUs: n.GPUs, AgentVersion: n.AgentVersion, Facts: n.Facts, Spot: n.Spot, Price: n.Price, Status: n.status(), Blocks: n.TotalBlocks,
		BusyBlocks: n.blocks, Jobs: jobs, CreatedAt: n.CreatedAt, Error: n.trouble(),
	}
}

// volumeJSON is a volume in `volume --json`.
type volumeJSON struct {
	Address   string    `json:"address"`
	Name      string    `json:"name"`
	Backend   string    `json:"backend"`
	Region    string    `json:"region,omitempty"`
	Zone      string    `json:"zone,omitempty"`
	Size      string    `json:"size,omitempty"`
	Location  string    `json:"location,omitempty"`
	Price     *float64  `json:"price"`
	Status    string    `json:"status"`
	Attached  []string  `json:"attached_to,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	Error     string    `json:"error,omitempty"`
}

func volumeCommand(a *app) *cobra.Command {
	return listCommand(a, "volume", "List volumes", []string{addr.KindVolume, addr.KindSupport}, func(r *recorded, o render.Options) error {
		list := []volumeJSON{}
		var rows []render.VolumeRow
		for _, l := range r.volumes {
			v, err := schema.Decode[schema.Volume](l.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", l.Resource.Address, err)
			}
			j := volumeJSON{Address: l.Resource.Address, Name: v.Name, Backend: l.Backend, Region: v.Region, Zone: v.Zone, Size: v.Size.String(), Location: v.Location,
				Price: v.Price, Status: liveStatus(l), Attached: r.attached[l.Resource.Address], CreatedAt: l.CreatedAt, Error: troubleOf(l)}
			var on []string
			for _, i := range j.Attached {
				on = append(on, shortInstance(i))
			}
			list = append(list, j)
			rows = append(rows, render.VolumeRow{Name: j.Name, Backend: j.Backend, Region: j.Region, Zone: j.Zone, Size: j.Size, Price: priceOf(j.Price), Status: j.Status,
				Attached: strings.Join(on, ", "), Created: j.CreatedAt, Error: j.Error})
		}
		if a.json {
			return a.printJSON(list)
		}
		if len(rows) == 0 {
			a.printf("No volume is recorded.\n")
			return nil
		}
		a.printf("%s", render.Volumes(rows, o))
		return nil
	})
}

// gatewayJSON is a gateway in `gateway --json`.
type gatewayJSON struct {
	Address   string    `json:"address"`
	Name      string    `json:"name"`
	Backend   string    `json:"backend"`
	Region    string    `json:"region,omitempty"`
	Hostname  string    `json:"hostname,omitempty"`
	URL       string    `json:"url,omitempty"`
	Domain    string    `json:"domain,omitempty"`
	Default   bool      `json:"default"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	Error     string    `json:"error,omitempty"`
}

func gatewayCommand(a *app) *cobra.Command {
	return listCommand(a, "gateway", "List gateways", []string{addr.KindGateway}, func(r *recorded, o render.Options) error {
		list := []gatewayJSON{}
		var rows []render.GatewayRow
		for _, l := range r.gateways {
			g, err := schema.Decode[schema.Gateway](l.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", l.Resource.Address, err)
			}
			j := gatewayJSON{Address: l.Resource.Address, Name: g.Name, Backend: l.Backend, Region: g.Region, Hostname: g.Hostname, URL: g.URL, Domain: g.Domain,
				Default: g.Default, Status: liveStatus(l), CreatedAt: l.CreatedAt, Error: troubleOf(l)}
			list = append(list, j)
			host := j.Hostname
			if g.Port != 0 && host != "" {
				host = fmt.Sprintf("%s:%d", host, g.Port)
			}
			rows = append(rows, render.GatewayRow{Name: j.Name, Backend: j.Backend, Region: j.Region, Hostname: host, Domain: j.Domain, Default: j.Default, Status: j.Status,
				Created: j.CreatedAt, Error: j.Error})
		}
		if a.json {
			return a.printJSON(list)
		}
		if len(rows) == 0 {
			a.printf("No gateway is recorded.\n")
			return nil
		}
		a.printf("%s", render.Gateways(rows, o))
		return nil
	})
}

// liveStatus is the status that the provider reports, or how it could not be asked.
func liveStatus(l planner.Live) string {
	switch l.Presence {
	case providers.Gone:
		return "gone"
	case providers.Unknown:
		return "not checked"
	}
	if s := planner.StatusOf(l.Value); s != "" {
		return s
	}
	return l.Resource.Status
}
