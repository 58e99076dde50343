package statefile

import (
	"cmp"
	"slices"
	"strings"
)

func (s *State) object(ref Ref) *Resource {
	if ref.Deposed == "" {
		return s.resources[ref.Address]
	}
	for _, r := range s.deposed[ref.Address] {
		if r.Deposed == ref.Deposed {
			return r
		}
	}
	return nil
}

func (s *State) put(r *Resource) {
	delete(s.gone, r.Ref())
	if r.Deposed == "" {
		s.resources[r.Address] = r
		return
	}
	list := slices.Clone(s.deposed[r.Address])
	if i := slices.IndexFunc(list, func(o *Resource) bool { return o.Deposed == r.Deposed }); i >= 0 {
		list[i] = r
	} else {
		list = append(list, r)
	}
	s.deposed[r.Address] = list
}

func (s *State) remove(ref Ref) {
	if ref.Deposed == "" {
		delete(s.resources, ref.Address)
		return
	}
	list := slices.DeleteFunc(slices.Clone(s.deposed[ref.Address]), func(o *Resource) bool { return o.Deposed == ref.Deposed })
	if len(list) == 0 {
		delete(s.deposed, ref.Address)
		return
	}
	s.deposed[ref.Address] = list
}

func (s *State) bury(t Tombstone) { s.gone[t.Ref()] = t }

func (s *State) openIntent(ref Ref, key string) *Intent {
	for _, intent := range s.intents[ref] {
		if intent.Key == key {
			return intent
		}
	}
	return nil
}

func (s *State) replaceIntent(old, next *Intent) {
	list := slices.Clone(s.intents[old.Ref()])
	list[slices.Index(list, old)] = next
	s.intents[old.Ref()] = list
}

func (s *State) closeIntent(ref Ref, key string) *Intent {
	open := s.openIntent(ref, key)
	if open == nil {
		return nil
	}
	list := slices.DeleteFunc(slices.Clone(s.intents[ref]), func(i *Intent) bool { return i == open })
	if len(list) == 0 {
		delete(s.intents, ref)
	} else {
		s.intents[ref] = list
	}
	return open
}

func (s *State) sortedResources() []*Resource {
	list := make([]*Resource, 0, len(s.resources)+len(s.deposed))
	for _, r := range s.resources {
		list = append(list, r)
	}
	for _, deposed := range s.deposed {
		list = append(list, deposed...)
	}
	slices.SortFunc(list, func(a, b *Resource) int {
		return cmp.Or(CompareAddresses(a.Address, b.Address), strings.Compare(a.Deposed, b.Deposed))
	})
	return list
}

func (s *State) sortedIntents() []*Intent {
	list := make([]*Intent, 0, len(s.intents))
	for _, open := range s.intents {
		list = append(list, open...)
	}
	slices.SortFunc(list, func(a, b *Intent) int {
		return cmp.Or(a.Since.Compare(b.Since), CompareAddresses(a.Address, b.Address),
			strings.Compare(a.Deposed, b.Deposed), strings.Compare(a.Key, b.Key))
	})
	return list
}

func compareTombstones(a, b Tombstone) int {
	return cmp.Or(cmp.Compare(a.Changed.Serial, b.Changed.Serial), a.Changed.At.Compare(b.Changed.At),
		CompareAddresses(a.Address, b.Address), strings.Compare(a.Deposed, b.Deposed))
}
