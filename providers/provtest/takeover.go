package provtest

import (
	"errors"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/schema"
)

// testRename gives an object another address: it is found by its key under that, and nothing else of it changes.
func testRename[T any](s *session[T]) {
	renamer, ok := s.Backend.(providers.Renamer)
	if !ok {
		s.T.Skip("the provider carries no addresses that change")
	}
	op := s.op()
	o := s.create(op)
	before := s.read(o)
	erased := needOf(op.Address, s.kind, s.config.Name, o).Object
	const address = "module.elsewhere.volume.other[7]"
	for range 2 {
		err := renamer.Rename(s.ctx(), s.kind, erased, address)
		if errors.Is(err, errors.ErrUnsupported) {
			s.T.Skipf("a %s carries no address that changes", s.kind)
		}
		require.NoError(s.T, err)
	}
	found := s.find(s.r, op.Key)
	require.Len(s.T, found, 1)
	require.Equal(s.T, address, found[0].Address)
	require.Equal(s.T, o.ID, found[0].Object.ID)
	after := s.read(o)
	require.Equal(s.T, before.Presence, after.Presence)
	require.True(s.T, schema.Encode(before.Object.Value).RawEquals(schema.Encode(after.Object.Value)), "a rename changes the address alone")

	require.NoError(s.T, s.delete(op, o))
	require.Error(s.T, renamer.Rename(s.ctx(), s.kind, erased, address), "what is gone has no address")
}

// testImport takes over an object that another state has made.
func testImport[T any](s *session[T]) {
	importer, ok := s.Backend.(providers.Importer)
	if !ok || s.description.Capabilities.Imports[s.kind] == "" {
		require.Empty(s.T, s.description.Capabilities.Imports[s.kind], "the provider describes an import of a %s, and its backend has none", s.kind)
		s.T.Skipf("the provider takes over no %s", s.kind)
	}
	op := s.op()
	o := s.create(op)
	seen := s.read(o)
	require.Equal(s.T, providers.Present, seen.Presence)
	s.settle() // so that lists are right

	found, err := importer.Locate(s.ctx(), s.kind, o.ID)
	require.NoError(s.T, err)
	require.Equal(s.T, o.ID, found.Object.ID)
	require.Equal(s.T, []string{op.Lineage, op.Address, op.Key}, []string{found.Lineage, found.Address, found.Key}, "who made it")
	want := schema.Encode(seen.Object.Value)
	for _, a := range schema.KindObject(s.kind).Attrs {
		have := found.Object.Value.GetAttr(a.Name)
		if a.Sensitive || have.RawEquals(want.GetAttr(a.Name)) || have.IsNull() && a.Configured() {
			continue // secrets are kept nowhere, and what only the record knows neither
		}
		s.T.Errorf("%s is %#v, and read as %#v", a.Name, have, want.GetAttr(a.Name))
	}
	listed, err := s.r.List(s.ctx(), op.Lineage)
	require.NoError(s.T, err)
	require.Len(s.T, listed, 1, "locating changes nothing")

	as := providers.Adoption{Address: "module.new.volume.mine", Lineage: "another lineage", Key: "a key that it has no use for"}
	for range 2 {
		adopted, err := importer.Adopt(s.ctx(), s.kind, o.ID, as)
		require.NoError(s.T, err)
		require.Equal(s.T, o.ID, adopted.Object.ID)
		require.Equal(s.T, []string{as.Lineage, as.Address, op.Key}, []string{adopted.Lineage, adopted.Address, adopted.Key})
	}
	listed, err = s.r.List(s.ctx(), op.Lineage)
	require.NoError(s.T, err)
	require.Empty(s.T, listed, "it is none of the other state any more")
	listed, err = s.r.List(s.ctx(), as.Lineage)
	require.NoError(s.T, err)
	require.Len(s.T, listed, 1)

	for _, id := range []string{"no-such-thing", "", "../" + o.ID} {
		_, err = importer.Locate(s.ctx(), s.kind, id)
		require.Error(s.T, err, id)
		require.Equal(s.T, providers.NotFound, providers.KindOf(err), "%q: %v", id, err)
		_, err = importer.Adopt(s.ctx(), s.kind, id, as)
		require.Error(s.T, err)
	}
	require.NoError(s.T, s.delete(op, o))
	_, err = importer.Locate(s.ctx(), s.kind, o.ID)
	require.Equal(s.T, providers.NotFound, providers.KindOf(err), "what is gone is not found: %v", err)
}
