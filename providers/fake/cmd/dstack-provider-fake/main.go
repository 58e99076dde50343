// Command dstack-provider-fake is the fake provider as a program of its own. Tests use it; it is not released.
package main

import (
	"context"
	"os"

	"github.com/dstackai/dstack-planner/providers/fake"
	"github.com/dstackai/dstack-planner/providers/wire"
)

func main() { os.Exit(wire.Serve(context.Background(), fake.New(fake.Options{}))) }
