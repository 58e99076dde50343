package graph

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dstackai/dstack-planner/internal/law"
)

func TestLevels(t *testing.T) {
	g := New(5)
	g.Need(4, 3)
	g.Need(3, 0)
	g.Need(3, 0)
	g.Need(1, 0)
	levels, cycle := g.Levels()
	require.Nil(t, cycle)
	require.Empty(t, cmp.Diff([][]int{{0, 2}, {1, 3}, {4}}, levels))
}

func TestCycleIsNamedAsAPath(t *testing.T) {
	g := New(5)
	g.Need(0, 1)
	g.Need(1, 2)
	g.Need(2, 3)
	g.Need(3, 1)
	g.Need(4, 0)
	levels, cycle := g.Levels()
	require.Nil(t, levels)
	require.Equal(t, []int{1, 2, 3}, cycle)
}

func TestAVertexThatNeedsItselfIsACycle(t *testing.T) {
	g := New(2)
	g.Need(1, 1)
	_, cycle := g.Sort()
	require.Equal(t, []int{1}, cycle)
}

func TestOrderRespectsEveryEdgeOrThereIsACycle(t *testing.T) {
	law.Check(t, 100, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "n")
		g := New(n)
		for range rapid.IntRange(0, 60).Draw(t, "edges") {
			g.Need(rapid.IntRange(0, n-1).Draw(t, "v"), rapid.IntRange(0, n-1).Draw(t, "w"))
		}
		order, cycle := g.Sort()
		if cycle != nil {
			for i, v := range cycle {
				if !slices.Contains(g.Needs(v), cycle[(i+1)%len(cycle)]) {
					t.Fatalf("%v is no cycle", cycle)
				}
			}
			return
		}
		at := make([]int, n)
		for i, v := range order {
			at[v] = i
		}
		for v := range n {
			for _, w := range g.Needs(v) {
				if at[w] >= at[v] {
					t.Fatalf("%d comes before %d, which it needs", v, w)
				}
			}
		}
	})
}
