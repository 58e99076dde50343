package plan

import "strings"

func splitAction(a Action) []string { return strings.Split(string(a), ",") }

func joinAction(parts []string) Action { return Action(strings.Join(parts, ",")) }

// Actions lists all actions.
func Actions() []Action {
	return []Action{NoOp, Create, Update, Delete, DeleteThenCreate, CreateThenDelete, Forget}
}
