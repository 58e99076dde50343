// Package policy answers: may this plan be applied?
//
// A policy is a condition over the plan's own object, `plan`, as docs/plan-format.md describes it, with prices as numbers
// of dollars. Evaluate judges a plan by the policies of configurations and of folders of policies, in the order in which
// they are given. Only those parts of the plan are made into values that the expressions mention, so that a policy costs
// what it looks at:
//
//	Condition, Message -> demand (which parts) -> document (their values, made when asked for) -> config.Policy.Evaluate
//
// What the plan does not hold is unknown: leaves that are known only after apply, secrets, and totals to which a price is
// missing. A policy whose condition comes out unknown denies.
package policy
