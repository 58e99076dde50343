// Package host answers: how does a job of a plan become a job of an agent, and how is it followed until its end?
//
// It is what all providers share whose instances run an agent, however the agent is reached: Check says what can never run,
// Spec turns a planned job and what it stands on into the agent's own words, Start, Stop, End and Logs talk to the agent, and
// Show brings what the agent knows back into the job. What differs between machines is in Site.
package host
