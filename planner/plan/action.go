package plan

import "strings"

func splitAction(a Action) []string { return strings.Split(string(a), ",") }

func joinAction(parts []string) Action { return Action(strings.Join(parts, ",")) }
