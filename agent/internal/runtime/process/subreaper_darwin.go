package process

// Adopt does nothing: macOS gives orphans to launchd. What leaves the job's session there is found by nobody.
func Adopt() error { return nil }
