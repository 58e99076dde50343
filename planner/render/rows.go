package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/schema/value"
)

// Hardware is what a machine, or the share of one, has.
type Hardware struct {
	CPUs      int
	MemoryMiB int64
	DiskMiB   int64
	GPUs      []schema.GPU
	Spot      bool
}

// text is the column RESOURCES. The disk is left out: it is the least of it.
func (h Hardware) text() string {
	t := Resources(h.CPUs, h.MemoryMiB, 0, h.GPUs)
	if h.Spot {
		t = join(", ", t, "SPOT")
	}
	return t
}

// Price is a price in dollars an hour that may not be known.
type Price struct {
	Hourly  value.Money
	Unknown bool
}

// text is the column PRICE.
func (p Price) text() string {
	if p.Unknown {
		return "unknown"
	}
	return p.Hourly.String()
}

// PsRow is a run in `ps`.
type PsRow struct {
	Name        string
	Type        string // task, service, dev
	Backend     string
	Region      string
	Instance    string // of a run with one job
	Machines    int    // how many of these
	Hardware    Hardware
	Share       string // "1/4" of its instance
	Reservation string
	Price       Price
	Status      string // with what belongs to it: "pulling 62 % of 5.0GB"
	Reason      string // of a run that ended badly
	Submitted   time.Time
	Jobs        []PsJob // shown when there are several
}

// PsJob is one job of a run.
type PsJob struct {
	Name     string // job=0, or replica=1
	Instance string // fleet.train 0
	Status   string
	Reason   string
}

// Ps is the table of runs. Verbose adds the columns that dstack puts in brackets.
func Ps(rows []PsRow, o Options) string {
	cols := []Column{{Title: "NAME"}, {Title: "TYPE", Drop: 3}, {Title: "BACKEND", Drop: 2}}
	if o.Verbose {
		cols = append(cols, Column{Title: "INSTANCE", Drop: 5})
	}
	cols = append(cols, Column{Title: "RESOURCES", Drop: 4})
	if o.Verbose {
		cols = append(cols, Column{Title: "RESERVATION", Drop: 7})
	}
	cols = append(cols, Column{Title: "PRICE", Drop: 6}, Column{Title: "STATUS"}, Column{Title: "SUBMITTED", Drop: 1})
	if o.Verbose {
		cols = append(cols, Column{Title: "ERROR"})
	}
	t := Table{Columns: cols}
	for _, r := range rows {
		res := r.Hardware.text()
		if r.Machines > 1 && res != "" {
			res = fmt.Sprintf("%d x %s", r.Machines, res)
		}
		if r.Share != "" {
			res += " (" + clean(r.Share) + ")"
		}
		several := len(r.Jobs) > 1
		instance := r.Instance
		if several {
			instance = ""
		}
		cells := []string{clean(r.Name), clean(r.Type), where(r.Backend, r.Region)}
		if o.Verbose {
			cells = append(cells, clean(instance))
		}
		cells = append(cells, res)
		if o.Verbose {
			cells = append(cells, clean(r.Reservation))
		}
		cells = append(cells, r.Price.text(), clean(r.Status), Ago(r.Submitted, o.Now))
		if o.Verbose {
			cells = append(cells, clean(r.Reason))
		}
		t.Rows = append(t.Rows, cells)
		if !several {
			continue
		}
		for _, j := range r.Jobs {
			row := []string{"  " + clean(j.Name), "", ""}
			if o.Verbose {
				row = append(row, clean(j.Instance), "", "", "", clean(j.Status), "", clean(j.Reason))
			} else {
				row = append(row, clean(j.Instance), "", clean(j.Status), "")
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t.Text(o)
}

// FleetRow is an instance in `fleet`; one without an instance is a fleet that has none.
type FleetRow struct {
	Fleet       string
	Reservation string
	Instance    string
	Backend     string
	Region      string
	Zone        string
	Hardware    Hardware
	Price       Price
	Blocks      int // shares in all; 0 or 1 is whole
	Busy        int // shares taken
	Status      string
	Created     time.Time
	Error       string
}

// Fleets is the table of instances by fleet; a fleet's name stands once.
func Fleets(rows []FleetRow, o Options) string {
	t := Table{Columns: []Column{{Title: "FLEET"}}}
	if o.Verbose {
		t.Columns = append(t.Columns, Column{Title: "RESERVATION", Drop: 7})
	}
	t.Columns = append(t.Columns, Column{Title: "INSTANCE"}, Column{Title: "BACKEND", Drop: 2})
	if o.Verbose {
		t.Columns = append(t.Columns, Column{Title: "REGION", Drop: 5})
	}
	t.Columns = append(t.Columns, Column{Title: "RESOURCES", Drop: 4}, Column{Title: "PRICE", Drop: 6}, Column{Title: "STATUS"}, Column{Title: "CREATED", Drop: 1})
	if o.Verbose {
		t.Columns = append(t.Columns, Column{Title: "ERROR"})
	}
	last := ""
	for i, r := range rows {
		name := clean(r.Fleet)
		if i > 0 && r.Fleet == last {
			name = ""
		}
		last = r.Fleet
		cells := []string{name}
		if o.Verbose {
			cells = append(cells, clean(r.Reservation))
		}
		if r.Instance == "" {
			cells = append(cells, "-", "-")
			if o.Verbose {
				cells = append(cells, "-")
			}
			cells = append(cells, "-", "-", "-", Ago(r.Created, o.Now))
		} else {
			cells = append(cells, clean(r.Instance))
			if o.Verbose {
				cells = append(cells, clean(r.Backend), clean(join(" ", r.Region, bracket(r.Zone))))
			} else {
				cells = append(cells, where(r.Backend, r.Region))
			}
			cells = append(cells, r.Hardware.text(), r.Price.text(), r.status(), Ago(r.Created, o.Now))
		}
		if o.Verbose {
			cells = append(cells, clean(r.Error))
		}
		t.Rows = append(t.Rows, cells)
	}
	return t.Text(o)
}

// status is that of the machine, and of one with shares how many are taken while it works.
func (r FleetRow) status() string {
	if r.Blocks > 1 && (r.Status == "idle" || r.Status == "busy") {
		if r.Busy == 0 {
			return "idle"
		}
		return fmt.Sprintf("%d/%d busy", r.Busy, r.Blocks)
	}
	return clean(r.Status)
}

// VolumeRow is a volume in `volume`.
type VolumeRow struct {
	Name     string
	Backend  string
	Region   string
	Zone     string
	Size     string
	Price    Price
	Status   string
	Attached string // the instance that it is attached to
	Created  time.Time
	Error    string
}

// Volumes is the table of volumes.
func Volumes(rows []VolumeRow, o Options) string {
	t := Table{Columns: []Column{{Title: "NAME"}, {Title: "BACKEND", Drop: 1}}}
	if o.Verbose {
		t.Columns = append(t.Columns, Column{Title: "REGION", Drop: 4})
	}
	t.Columns = append(t.Columns, Column{Title: "SIZE"}, Column{Title: "PRICE", Drop: 3}, Column{Title: "STATUS"}, Column{Title: "ATTACHED TO", Drop: 5}, Column{Title: "CREATED", Drop: 2})
	if o.Verbose {
		t.Columns = append(t.Columns, Column{Title: "ERROR"})
	}
	for _, r := range rows {
		cells := []string{clean(r.Name)}
		if o.Verbose {
			cells = append(cells, clean(r.Backend), clean(join(" ", r.Region, bracket(r.Zone))))
		} else {
			cells = append(cells, where(r.Backend, r.Region))
		}
		cells = append(cells, clean(r.Size), r.Price.text(), clean(r.Status), clean(r.Attached), Ago(r.Created, o.Now))
		if o.Verbose {
			cells = append(cells, clean(r.Error))
		}
		t.Rows = append(t.Rows, cells)
	}
	return t.Text(o)
}

// GatewayRow is a gateway in `gateway`.
type GatewayRow struct {
	Name     string
	Backend  string
	Region   string
	Hostname string
	Domain   string
	Default  bool
	Status   string
	Created  time.Time
	Error    string
}

// Gateways is the table of gateways.
func Gateways(rows []GatewayRow, o Options) string {
	t := Table{Columns: []Column{{Title: "NAME"}, {Title: "BACKEND", Drop: 1}, {Title: "HOSTNAME", Drop: 3}, {Title: "DOMAIN"}, {Title: "DEFAULT", Drop: 2}, {Title: "STATUS"}}}
	if o.Verbose {
		t.Columns = append(t.Columns, Column{Title: "CREATED", Drop: 4}, Column{Title: "ERROR"})
	}
	for _, r := range rows {
		def := ""
		if r.Default {
			def = "yes"
		}
		cells := []string{clean(r.Name), where(r.Backend, r.Region), clean(r.Hostname), clean(r.Domain), def, clean(r.Status)}
		if o.Verbose {
			cells = append(cells, Ago(r.Created, o.Now), clean(r.Error))
		}
		t.Rows = append(t.Rows, cells)
	}
	return t.Text(o)
}

// OfferRow is an offer in `offer`.
type OfferRow struct {
	Offer schema.Offer
	Note  string // why it cannot be used, where it cannot
}

// Offers is the table of offers in the order that they are given.
func Offers(rows []OfferRow, o Options) string {
	t := Table{Columns: []Column{{Title: "#", Drop: 3, Right: true}, {Title: "BACKEND"}, {Title: "ZONES", Drop: 4}, {Title: "INSTANCE TYPE"}, {Title: "RESOURCES", Drop: 1}, {Title: "SPOT", Drop: 2}, {Title: "PRICE"}, {Title: "AVAILABILITY"}}}
	for i, r := range rows {
		f := r.Offer
		spot := "no"
		if f.Spot {
			spot = "yes"
		}
		avail := ""
		if f.Availability != schema.AvailabilityUnknown && f.Availability != schema.Available {
			avail = strings.ReplaceAll(clean(string(f.Availability)), "_", " ")
		}
		zones := make([]string, len(f.Zones))
		for i, z := range f.Zones {
			zones[i] = clean(strings.TrimPrefix(strings.TrimPrefix(z, f.Region), "-"))
		}
		t.Rows = append(t.Rows, []string{
			fmt.Sprint(i + 1), where(f.Backend, f.Region), strings.Join(zones, ", "), clean(f.InstanceType),
			Resources(f.CPUs, f.MemoryMiB, f.DiskMiB, f.GPUs), spot, Price{f.Price, f.PriceUnknown}.text(), join(", ", avail, clean(r.Note)),
		})
	}
	return t.Text(o)
}

func where(backend, region string) string {
	return clean(join(" ", backend, bracket(region)))
}

func bracket(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}
