package agent

// CgroupName is for tests that look for what was left.
var CgroupName = cgroupName
