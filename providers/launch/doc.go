// Package launch answers: where is a provider's program, may it run, and does it run?
//
// A Launcher finds dstack-provider-NAME beside the running dstack, in DSTACK_PLUGIN_DIR and in DSTACK_HOME/plugins, in
// this order. What is beside dstack belongs to it; anything else runs only if Options.Verify knows its checksum, and then
// from a copy that nobody can change. A provider sees a small environment: the base that every program needs and the
// variables that its description asks for. Descriptions are cached by the program's checksum, so that describing a known
// program starts nothing.
//
// Each provider runs at most once and serves all backends. When it ends by itself, the calls in flight fail with its last
// log lines; the next call starts it again, a few times, and open backends are opened again on the way.
package launch
