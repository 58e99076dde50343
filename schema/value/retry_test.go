package value_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/schema/value"
)

func retryRows() map[string]reading {
	return map[string]reading{
		// PRF-03
		"true is all events for an hour": {hcl: "true", canonical: "1h[no-capacity,interruption,error]"},
		"false is off":                   {hcl: "false", canonical: "off"},
		"off":                            {text: "off", canonical: "off"},
		"on":                             {text: " On ", canonical: "1h[no-capacity,interruption,error]"},
		"an object":                      {hcl: `{ on_events = ["error", "no-capacity"], duration = "120m" }`, canonical: "2h[no-capacity,error]"},
		"an object with seconds":         {hcl: `{ on_events = ["error"], duration = 90 }`, canonical: "90s[error]"},
		"an object without duration":     {hcl: `{ on_events = ["error"] }`, canonical: "1h[error]"},
		"an object with a set":           {hcl: `{ on_events = set, duration = null }`, canonical: "1h[no-capacity,error]"},
		"an event twice":                 {hcl: `{ on_events = ["error", "error"] }`, canonical: "1h[error]"},
		"no time at all":                 {hcl: `{ on_events = ["error"], duration = 0 }`, canonical: "0s[error]"},
		"a text":                         {text: "1h[no-capacity, interruption, error]", canonical: "1h[no-capacity,interruption,error]"},
		"a text without duration":        {text: " [ interruption ] ", canonical: "1h[interruption]"},
		"a text with blanks":             {text: "120 m [ error , error ]", canonical: "2h[error]"},
		"a text without events":          {text: "2h", err: "Retry policy has no events", marks: "2h"},
		"a text with no event":           {text: "2h[]", err: "Retry policy has an empty event"},
		"a text with an empty event":     {text: "2h[error,, ]", err: "Retry policy has an empty event"},
		"a text with an unknown event":   {text: "2h[error, eror]", err: "Retry policy has an unknown event", says: `"eror" is none of "no-capacity", "interruption" or "error". Did you mean "error"?`, marks: " eror"},
		"a text with an open bracket":    {text: "2h[error", err: "Retry policy has an open bracket", marks: "[error"},
		"a text with a bad duration":     {text: " 1h30m[error]", err: "Duration has several parts", marks: "1h30m"},
		"nothing":                        {text: "", err: "Retry policy is empty"},
		"an empty object":                {hcl: `{}`, err: "Retry policy has no events"},
		"an object without events":       {hcl: `{ duration = "1h" }`, err: "Retry policy has no events"},
		"an object with empty events":    {hcl: `{ on_events = [] }`, err: "Retry policy has no events"},
		"an object with a bad event":     {hcl: `{ on_events = ["error", "spot"] }`, err: "Retry policy has an unknown event", path: ".on_events[1]"},
		"an object with a number":        {hcl: `{ on_events = [1] }`, err: "Event has the wrong type", path: ".on_events[0]"},
		"an object with one event":       {hcl: `{ on_events = "error" }`, err: "List of events has the wrong type", path: ".on_events"},
		"an object with a bad duration":  {hcl: `{ on_events = ["error"], duration = "off" }`, err: "Duration is not a number with a unit", path: ".duration"},
		"an object with a typo":          {hcl: `{ on_event = ["error"] }`, err: "Retry policy has an unknown key", says: `Did you mean "on_events"?`, path: ".on_event"},
		"a number is not allowed":        {hcl: "1", err: "Retry policy has the wrong type"},
		"a list is not allowed":          {hcl: `["error"]`, err: "Retry policy has the wrong type"},
	}
}

func TestRetryPolicy(t *testing.T) {
	readAll[value.RetryPolicy](t, retryRows())

	p := value.Must(value.ParseRetryPolicy("2h[error, no-capacity]"))
	require.False(t, p.Off())
	require.True(t, p.On(value.RetryError))
	require.False(t, p.On(value.RetryInterruption))
	require.False(t, p.On("never heard of"))
	require.Equal(t, []value.RetryEvent{value.RetryNoCapacity, value.RetryError}, p.Events())
	require.Equal(t, 2*time.Hour, p.Duration())
	require.True(t, p.Equal(value.Must(value.RetryOn(2*time.Hour, value.RetryError, value.RetryNoCapacity))))
	require.True(t, value.RetryAlways().Equal(value.Must(value.RetryOn(0, value.RetryError, value.RetryInterruption, value.RetryNoCapacity))))

	require.True(t, value.RetryNever().Off())
	require.True(t, value.RetryPolicy{}.Off())
	require.False(t, value.RetryNever().Equal(value.RetryPolicy{}), "off is not the default")
	require.Empty(t, value.RetryNever().Events())

	_, err := value.RetryOn(time.Hour)
	require.Error(t, err)
	_, err = value.RetryOn(time.Hour, "spot")
	require.Error(t, err)
}
