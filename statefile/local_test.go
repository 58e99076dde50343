package statefile_test

import (
	"testing"

	"github.com/dstackai/dstack-planner/statefile"
	"github.com/dstackai/dstack-planner/statefile/storetest"
)

func TestLocalKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) statefile.Store {
		return statefile.NewLocal(t.TempDir()+"/state", statefile.LocalOptions{Version: "0.1.0"})
	})
}
