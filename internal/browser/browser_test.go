package browser_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/internal/browser"
)

// TestWhatPagesMustNotDoIsHeard proves that a test of a page would notice.
func TestWhatPagesMustNotDoIsHeard(t *testing.T) {
	b := browser.Start(t)
	for name, tc := range map[string]struct{ page, want string }{
		"nothing":      {`<p>x</p><script>var x = 1;</script>`, ""},
		"a message":    {`<script>console.log("spoke")</script>`, "spoke"},
		"an exception": {`<script>nothing.there()</script>`, "nothing is not defined"},
		"a request":    {`<img src="http://example.com/x.png">`, "request: http://example.com/x.png"},
		"another file": {`<link rel="stylesheet" href="other.css">`, "other.css"},
		"a dialog":     {`<script>alert("boo")</script>`, "dialog: boo"},
		"another page": {`<meta http-equiv="refresh" content="0; url=data:text/html,x">`, "data:text/html,x"},
	} {
		t.Run(name, func(t *testing.T) {
			p := b.Open(t, []byte("<!doctype html><title>t</title><body>"+tc.page))
			if tc.want == "" {
				require.Equal(t, "t", browser.Eval[string](p, "document.title"))
				require.Empty(t, p.Complaints())
				return
			}
			require.Eventually(t, func() bool {
				for _, c := range p.Complaints() {
					if strings.Contains(c, tc.want) {
						return true
					}
				}
				return false
			}, browser.Patience, browser.Patience/10000)
		})
	}
}
