// Package planner is the front desk: it answers what would change, and sees to it that it does.
//
// Plan loads nothing and decides little itself. It asks config what the blocks are worth, desired what they stand for,
// the providers what is there and what they would do, diff what differs, offer and place what runs where, and puts
// the answers together as a plan.Plan, in two walks over the blocks: the second one knows where everything goes. Apply
// hands a plan to package apply and evaluates for it what was not known when the plan was made.
package planner
