package value_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/schema/value"
)

func spotRows() map[string]reading {
	return map[string]reading{
		"spot":                  {text: "spot", canonical: "spot"},
		"on-demand":             {text: "on-demand", canonical: "on-demand"},
		"auto":                  {text: "auto", canonical: "auto"},
		"an unknown word":       {text: "ondemand", err: "Spot policy is unknown", says: `"ondemand" is none of "spot", "on-demand" or "auto". Did you mean "on-demand"?`, marks: "ondemand"},
		"capitals":              {text: "Spot", err: "Spot policy is unknown", says: `Did you mean "spot"?`, marks: "Spot"},
		"nothing":               {text: "", err: "Spot policy is unknown"},
		"a bool is not allowed": {hcl: "true", err: "Spot policy has the wrong type", says: `It is "spot", "on-demand" or "auto".`},
	}
}

func creationRows() map[string]reading {
	return map[string]reading{
		"reuse":                 {text: "reuse", canonical: "reuse"},
		"reuse or create":       {text: "reuse-or-create", canonical: "reuse-or-create"},
		"an unknown word":       {text: "create", err: "Creation policy is unknown", marks: "create"},
		"a bool is not allowed": {hcl: "true", err: "Creation policy has the wrong type"},
	}
}

func placementRows() map[string]reading {
	return map[string]reading{
		"any":                     {text: "any", canonical: "any"},
		"cluster":                 {text: "cluster", canonical: "cluster"},
		"an unknown word":         {text: "clutser", err: "Placement is unknown", says: `Did you mean "cluster"?`, marks: "clutser"},
		"a number is not allowed": {hcl: "1", err: "Placement has the wrong type"},
	}
}

func TestChoices(t *testing.T) {
	t.Run("spot policy", func(t *testing.T) { readAll[value.SpotPolicy](t, spotRows()) })
	t.Run("creation policy", func(t *testing.T) { readAll[value.CreationPolicy](t, creationRows()) })
	t.Run("placement", func(t *testing.T) { readAll[value.Placement](t, placementRows()) })
}

func TestSpotPolicyRequires(t *testing.T) {
	for policy, want := range map[value.SpotPolicy][2]bool{
		value.SpotOnly: {true, true}, value.OnDemand: {false, true}, value.SpotAuto: {false, false}, "": {false, true},
	} {
		spot, set := policy.Requires()
		require.Equal(t, want, [2]bool{spot, set}, "%q", policy)
	}
}

func replicaRows() map[string]reading {
	return map[string]reading{
		"a number":               {hcl: "2", canonical: "2"},
		"none":                   {hcl: "0", canonical: "0"},
		"the same as text":       {text: " 2 ", canonical: "2"},
		"a range":                {text: "1..4", canonical: "1..4"},
		"a range from zero":      {text: "0 .. 1", canonical: "0..1"},
		"both the same":          {text: "3..3", canonical: "3"},
		"an object":              {hcl: `{ min = 1, max = 4 }`, canonical: "1..4"},
		"no maximum":             {text: "3..", err: "Number of replicas has no maximum", says: "its cost has no bound", marks: "3.."},
		"no minimum":             {text: "..3", err: "Number of replicas has no minimum", says: "write 0 if there may be none", marks: "..3"},
		"the wrong way round":    {text: "4..1", err: "Number of replicas has its bounds the wrong way round", marks: "4..1"},
		"no bound":               {text: "..", err: "Number of replicas has no bound", marks: ".."},
		"a fraction":             {hcl: "1.5", err: "Number of replicas is not a whole number"},
		"a negative number":      {hcl: "-1", err: "Number of replicas is negative"},
		"nothing":                {text: "", err: "Number of replicas is empty"},
		"an object without max":  {hcl: `{ min = 1 }`, err: "Number of replicas has no maximum", says: `"1.."`},
		"an object without min":  {hcl: `{ max = 1 }`, err: "Number of replicas has no minimum"},
		"an object wrong around": {hcl: `{ min = 4, max = 1 }`, err: "Number of replicas has its bounds the wrong way round"},
		"an object with a typo":  {hcl: `{ min = 4, mx = 1 }`, err: "Number of replicas has an unknown key", path: ".mx"},
		"a bool is not allowed":  {hcl: "true", err: "Number of replicas has the wrong type"},
	}
}

func TestReplicaRange(t *testing.T) {
	readAll[value.ReplicaRange](t, replicaRows())

	r := value.Must(value.ParseReplicaRange("1..4"))
	require.Equal(t, []int{1, 4}, []int{r.Min(), r.Max()})
	require.True(t, r.Scales())
	require.False(t, value.Must(value.ParseReplicaRange("2")).Scales())
	require.Equal(t, []int{1, 1, 3, 4, 4}, []int{r.Clip(0), r.Clip(1), r.Clip(3), r.Clip(4), r.Clip(9)})
	require.True(t, r.Contains(4))
	require.False(t, r.Contains(5))
	require.False(t, value.Must(value.ParseReplicaRange("0")).Equal(value.ReplicaRange{}), "0 replicas are set")
}

func blockRows() map[string]reading {
	return map[string]reading{
		"auto":                  {text: "auto", canonical: "auto"},
		"auto in capitals":      {text: " AUTO ", canonical: "auto"},
		"a number":              {hcl: "4", canonical: "4"},
		"a text":                {text: " 04", canonical: "4"},
		"zero":                  {hcl: "0", err: "Blocks is zero"},
		"zero in a text":        {text: " 00 ", err: "Blocks is zero", marks: "00"},
		"a fraction":            {hcl: "2.5", err: "Blocks is not a whole number", says: `"2.5"`},
		"a negative number":     {hcl: "-1", err: "Blocks is negative"},
		"a range":               {text: "1..4", err: "Blocks is not a whole number", marks: "1..4"},
		"too many":              {text: "99999999999", err: "Blocks is out of range", marks: "99999999999"},
		"a word":                {text: "all", err: "Blocks is not a whole number", says: `It is "auto"`, marks: "all"},
		"nothing":               {text: "", err: "Blocks is empty"},
		"a bool is not allowed": {hcl: "true", err: "Blocks has the wrong type"},
	}
}

func TestBlocks(t *testing.T) {
	readAll[value.Blocks](t, blockRows())

	require.True(t, value.AutoBlocks().Auto())
	require.Equal(t, 0, value.AutoBlocks().Count())
	require.Equal(t, 1, value.Blocks{}.Count(), "one unless said")
	require.Equal(t, 4, value.BlocksOf(4).Count())
	require.Equal(t, "1", value.BlocksOf(-1).String())
	require.True(t, value.BlocksOf(4).Equal(value.Must(value.ParseBlocks("04"))))
}

func nameRows() map[string]reading {
	return map[string]reading{
		// NAM-01
		"letters":                 {text: "my-fleet", canonical: "my-fleet"},
		"two characters":          {text: "a1", canonical: "a1"},
		"a dash at the end":       {text: "a-", canonical: "a-"},
		"41 characters":           {text: "a1234567890123456789012345678901234567890", canonical: "a1234567890123456789012345678901234567890"},
		"42 characters":           {text: "a12345678901234567890123456789012345678901", err: "Name is not valid", says: "longer than 41", marks: "1"},
		"one character":           {text: "a", err: "Name is not valid", says: "shorter than 2", marks: "a"},
		"a digit first":           {text: "1a", err: "Name is not valid", says: "does not start with a lower-case letter", marks: "1"},
		"a dash first":            {text: "-a", err: "Name is not valid", marks: "-"},
		"a capital first":         {text: "My-fleet", err: "Name is not valid", says: `Write "my-fleet".`, marks: "M"},
		"a capital":               {text: "myFleet", err: "Name is not valid", says: `contains "F". Write "myfleet".`, marks: "F"},
		"an underscore":           {text: "my_fleet", err: "Name is not valid", says: `contains "_". Write "my-fleet".`, marks: "_"},
		"a blank":                 {text: "my fleet", err: "Name is not valid", says: `contains " ".`, marks: " "},
		"a byte of no character":  {text: "a\x90", err: "Name is not valid", marks: "\x90"},
		"an accent":               {text: "flé", err: "Name is not valid", says: `contains "é". A name has`, marks: "é"},
		"nothing":                 {text: "", err: "Name is not valid", says: `"" is empty.`},
		"a number is not allowed": {hcl: "12", err: "Name has the wrong type"},
	}
}

func TestName(t *testing.T) {
	readAll[value.Name](t, nameRows())
}

func TestNamesAreMadeFromLabels(t *testing.T) { // NAM-01
	for name, row := range map[string]struct {
		label string
		keys  []string
		want  string
		err   string
	}{
		"a label":                  {"train", nil, "train", ""},
		"an underscore":            {"my_fleet", nil, "my-fleet", ""},
		"a number of count":        {"my_fleet", []string{"0"}, "my-fleet-0", ""},
		"a key with an underscore": {"fleet", []string{"eu_west"}, "fleet-eu-west", ""},
		"keys of modules":          {"fleet", []string{"a", "1"}, "fleet-a-1", ""},
		"capitals":                 {"Train", nil, "", `"Train", does not start with a lower-case letter`},
		"a key that is no name":    {"train", []string{"EU"}, "", `"train-EU", contains "E"`},
		"an underscore first":      {"_x", nil, "", "does not start with"},
		"too long with its key":    {"a1234567890123456789012345678901234567890", []string{"0"}, "", "longer than 41"},
		"too short":                {"a", nil, "", "shorter than 2"},
		"no label":                 {"", nil, "", "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := value.NameFromLabel(row.label, row.keys...)
			if row.err == "" {
				require.NoError(t, err)
				require.Equal(t, row.want, got.String())
				return
			}
			var e *value.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "Label makes no valid name", e.Summary)
			require.Contains(t, e.Detail, row.err)
			require.Contains(t, e.Detail, "or set name in the block.")
			sentences(t, e)
		})
	}
}
