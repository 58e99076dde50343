package agent

import "github.com/dstackai/dstack-planner/agent/internal/runtime/process"

// CgroupName is for tests that look for what was left.
var CgroupName = process.GroupName
