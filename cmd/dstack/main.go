// Command dstack plans and applies what GPU teams describe; see package cli.
package main

import (
	"os"
	"runtime/debug"

	"github.com/dstackai/dstack-planner/cmd/dstack/internal/cli"
)

func main() {
	if os.Getenv("GOGC") == "" {
		// A command lives for seconds and keeps most of what it reads: collecting a quarter as often makes a plan of
		// 10,000 resources a fifth shorter. Near the limit, collection is as eager as ever.
		debug.SetGCPercent(400)
		debug.SetMemoryLimit(400 << 20)
	}
	os.Exit(cli.Main(os.Args[1:]))
}
