// Command dstack plans and applies what GPU teams describe; see package cli.
package main

import (
	"os"

	"github.com/dstackai/dstack-planner/cmd/dstack/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
