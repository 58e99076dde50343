// Package provtest answers: does a provider keep the contract?
//
// Run is the contract of package providers as tests. Every provider passes it, directly and through the wire:
//
//	provtest.Run(t, provtest.Options{
//		Open: func(t *testing.T) (providers.Provider, providers.BackendConfig) {
//			return mycloud.New(), providers.BackendConfig{Name: "mycloud", Settings: settings(t.TempDir())}
//		},
//		Volume: &provtest.Sample[schema.Volume]{Value: func(n int) schema.Volume { ... }},
//	})
//
// A kind is tested when the provider describes it and a sample is given; a described kind without a sample is skipped
// out loud. Each test opens a provider of its own and deletes what it made, so that real accounts are left clean. What
// can only be seen from outside (drift, what vanished, what cannot be reached, secrets) is tested where the sample says how.
package provtest
