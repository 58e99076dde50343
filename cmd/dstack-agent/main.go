// Command dstack-agent runs jobs on one machine; see package agent.
package main

import (
	"os"

	"github.com/dstackai/dstack-planner/agent"
)

func main() {
	os.Exit(agent.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
