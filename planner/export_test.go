package planner

// CostNow is costNow for the tests of the package's outside.
var CostNow = costNow
