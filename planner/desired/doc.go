// Package desired answers: which resource instances does a block stand for?
//
// It turns evaluated blocks into instances, volumes, gateways and jobs: pure functions from values to values. Unknown
// leaves and marks stay what they are; what a provider or placement says is null here.
package desired
