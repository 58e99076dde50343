package statefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that ignored what it does not know would lose it with the next snapshot.
func TestFieldsThatNobodyKnowsAreRefused(t *testing.T) {
	snapshot, journal, _ := sample(t, 3)
	_, err := DecodeSnapshot("snapshot.json", snapshot)
	require.NoError(t, err)
	for name, change := range map[string]struct{ old, with string }{
		"of the snapshot": {`"lineage":`, `"novelty":1,"lineage":`},
		"of a resource":   {`{"address":`, `{"novelty":1,"address":`},
	} {
		t.Run(name, func(t *testing.T) {
			changed := bytes.Replace(snapshot, []byte(change.old), []byte(change.with), 1)
			require.NotEqual(t, snapshot, changed)
			_, err := DecodeSnapshot("snapshot.json", sealed(changed))
			var damaged *DamagedError
			require.ErrorAs(t, err, &damaged)
			require.ErrorContains(t, err, "novelty")
		})
	}
	lines := bytes.SplitAfter(journal, []byte("\n"))
	novel := func(line []byte) []byte {
		r, err := parseLine(bytes.TrimSuffix(line, []byte("\n")))
		require.NoError(t, err)
		r.Data = bytes.Replace(r.Data, []byte("{"), []byte(`{"novelty":1,`), 1)
		changed, err := r.appendLine(nil, r.N, r.Prev)
		require.NoError(t, err)
		return changed
	}
	t.Run("of a record", func(t *testing.T) {
		_, _, err := replay(t, append(bytes.Clone(lines[0]), novel(lines[1])...))
		require.ErrorContains(t, err, "novelty")
	})
	t.Run("but for the record that says which format follows", func(t *testing.T) {
		_, _, err := replay(t, novel(lines[0]))
		require.NoError(t, err)
	})
}

// sealed gives a snapshot that was changed its checksum anew.
func sealed(snapshot []byte) []byte {
	body := snapshot[:bytes.LastIndex(snapshot, []byte(sumOpen))]
	sum := sha256.Sum256(body)
	return append(append(append(bytes.Clone(body), sumOpen...), hex.EncodeToString(sum[:])...), sumClose...)
}
