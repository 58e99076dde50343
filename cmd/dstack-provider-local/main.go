// Command dstack-provider-local makes this machine a backend; see package local.
package main

import (
	"context"
	"os"

	"github.com/dstackai/dstack-planner/providers/local"
	"github.com/dstackai/dstack-planner/providers/wire"
)

func main() { os.Exit(wire.Serve(context.Background(), local.New(local.Options{}))) }
