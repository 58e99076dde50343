package render

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/golden"
	"github.com/dstackai/dstack-planner/planner/plan"
	"github.com/dstackai/dstack-planner/planner/render/rendertest"
)

func TestPlanOfEverything(t *testing.T) {
	o := Options{Saved: "night.plan"}
	for _, width := range []int{60, 80, 120} {
		o.Width = width
		golden.Assert(t, fmt.Sprintf("testdata/plan/night-%d.golden", width), Text(rendertest.Night(), o))
	}
	golden.Assert(t, "testdata/plan/night-verbose.golden", Text(rendertest.Night(), Options{Verbose: true}))
	golden.Assert(t, "testdata/plan/night-color.golden", Text(rendertest.Night(), Options{Color: true}))
}

func TestColorRepeatsWhatIsSaid(t *testing.T) {
	colored, bare := Text(rendertest.Night(), Options{Color: true, Width: 60}), Text(rendertest.Night(), Options{Width: 60})
	require.NotEqual(t, bare, colored)
	require.Equal(t, bare, stripColor(colored), "without its colours the text is the same")
}

func TestSituations(t *testing.T) {
	for _, s := range rendertest.Situations() {
		t.Run(s.Name, func(t *testing.T) {
			golden.Assert(t, "testdata/plan/"+s.Name+".golden", Text(s.Plan, Options{Now: rendertest.Noon().Add(2 * time.Second)}))
		})
	}
}

// TestFoldedBlocksSayNothingFalse has jobs whose instances do not run along with their numbers.
func TestFoldedBlocksSayNothingFalse(t *testing.T) {
	for name, c := range map[string]struct {
		on   []int
		want []string
	}{
		"side by side":         {[]int{0, 1, 2}, []string{"task.a.job[0-2] (3) will", "fleet.f.instance[0-2], whole"}},
		"all on one":           {[]int{0, 0, 0}, []string{"task.a.job[0-2] (3) will", "fleet.f.instance[0], whole"}},
		"all on another":       {[]int{7, 7, 7}, []string{"task.a.job[0-2] (3) will", "fleet.f.instance[7], whole"}},
		"back to the first":    {[]int{0, 1, 0}, []string{"task.a.job[0], job[1] will", "fleet.f.instance[0], [1], whole", "task.a.job[2] will", "fleet.f.instance[0], whole"}},
		"two on one, one gone": {[]int{0, 0, 2}, []string{"task.a.job[0], job[1] will", "fleet.f.instance[0], whole", "task.a.job[2] will", "fleet.f.instance[2], whole"}},
		"crossed":              {[]int{1, 0}, []string{"task.a.job[0] will", "fleet.f.instance[1], whole", "task.a.job[1] will", "fleet.f.instance[0], whole"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plan.Plan{}
			for i, n := range c.on {
				p.Changes = append(p.Changes, &plan.Change{Address: fmt.Sprintf("task.a.job[%d]", i), Kind: "job", Action: plan.Create, Placement: &plan.Placement{Instance: fmt.Sprintf("fleet.f.instance[%d]", n), Blocks: 1, Of: 1}})
			}
			text := Text(p, Options{})
			for _, want := range c.want {
				at := strings.Index(text, want)
				require.GreaterOrEqual(t, at, 0, "%q is missing in\n%s", want, text)
				text = text[at+len(want):]
			}
			require.NotContains(t, text, "will be", "nothing is left")
		})
	}
}

func TestNeighboursMayDifferInWhatStays(t *testing.T) {
	p := &plan.Plan{}
	for i, n := range []int{13, 14, 12} {
		p.Changes = append(p.Changes, &plan.Change{Address: fmt.Sprintf("volume.a[%d]", i), Kind: "volume", Action: plan.Update, Reason: "size grows", UnchangedAttrs: n})
	}
	require.Contains(t, Text(p, Options{}), "~ volume.a[0-2] (3) will be updated in place\n      because    size grows\n      # 12 to 14 attributes unchanged\n")
}

// TestMoneyAndSizesHaveTheirUnits finds attributes that are shown as bare numbers though they have a unit.
func TestMoneyAndSizesHaveTheirUnits(t *testing.T) {
	require.Equal(t, "$2.50/h", valueText("price", rendertest.JSON(2.5), true))
	require.Equal(t, "$45.00/h", valueText("max_price", rendertest.JSON("45"), false))
	require.Equal(t, "192GB", valueText("memory_mib", rendertest.JSON(196608), true))
	require.Equal(t, "80GB", valueText("gpus[0].memory_mib", rendertest.JSON(81920), true))
	require.Equal(t, "{bad\\n", valueText("size", json.RawMessage("{bad\n"), true), "what is no JSON is shown as it is")
	require.Equal(t, `"\ufffd"`, strings.ReplaceAll(valueText("size", json.RawMessage("\"\xff\""), false), "\ufffd", `\ufffd`), "nor is what is no text")
	require.Equal(t, "7", valueText("replica", rendertest.JSON(7), false))
	require.Equal(t, `{ A = "1", "b-1.x" = [1, null, true] }`, valueText("env", json.RawMessage(`{"b-1.x":[1,null,true],"A":"1"}`), false))
	require.Equal(t, "12345678901234567890", valueText("x", json.RawMessage("12345678901234567890"), false), "numbers keep their digits")
}

// TestNoValueForgesALine holds whatever comes from outside against what would move the cursor or begin a line of its own.
func TestNoValueForgesALine(t *testing.T) {
	text := Text(rendertest.Named("hostile"), Options{})
	for _, r := range text {
		if r != '\n' && !printable(r) {
			t.Errorf("%U is in the text", r)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		for _, forged := range []string{"No changes.", "Plan: 0", "  - volume.z", "  - volume.y", "- volume"} {
			if strings.HasPrefix(line, forged) {
				t.Errorf("a value wrote the line %q", line)
			}
		}
	}
}

func TestLinesFitTheTerminal(t *testing.T) {
	for _, s := range rendertest.Situations() {
		name, p := s.Name, s.Plan
		for _, width := range []int{60, 80, 120} {
			for _, line := range strings.Split(Text(p, Options{Width: width}), "\n") {
				if displayWidth(line) > width && len(strings.Fields(line)) > 2 && name != "hostile" {
					t.Errorf("%s at %d: %d columns: %s", name, width, displayWidth(line), line)
				}
			}
		}
	}
}
