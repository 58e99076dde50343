// Package veil answers one question: how do secrets stay secret that a provider hands back where nobody asked for them?
//
// What the configuration and the schema call secret is known by its path and never written down (see diff.Redact). A provider may
// still repeat it elsewhere: in an error, in the name of a phase, in an attribute that it fills in. A [Veil] knows secrets by what
// they are. In texts, and in text attributes that nobody has asked to be so, "(sensitive)" stands in their place.
package veil
