package agent

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParrot(t *testing.T) {
	at := func() time.Time { return time.Unix(7, 0) }
	for name, tt := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"in one piece": {`{"model":"p","messages":[{"role":"system","content":"be a parrot"},{"role":"user","content":"hello  you"}]}`, 200,
			`{"id":"chatcmpl-7000000000","object":"chat.completion","created":7,"model":"p","choices":[{"index":0,"message":{"role":"assistant","content":"hello you"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}` + "\n"},
		"word by word": {`{"model":"p","stream":true,"messages":[{"role":"user","content":"hello you"}]}`, 200,
			`data: {"id":"chatcmpl-7000000000","object":"chat.completion.chunk","created":7,"model":"p","choices":[{"index":0,"delta":{"role":"assistant","content":"hello"},"finish_reason":null}]}

data: {"id":"chatcmpl-7000000000","object":"chat.completion.chunk","created":7,"model":"p","choices":[{"index":0,"delta":{"content":" you"},"finish_reason":null}]}

data: {"id":"chatcmpl-7000000000","object":"chat.completion.chunk","created":7,"model":"p","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}]}

data: [DONE]

`},
		"another model": {`{"model":"q","messages":[{"content":"x"}]}`, 400, `{"error":{"message":"the only model here is p","type":"invalid_request_error"}}` + "\n"},
		"no messages":   {`{"model":"p"}`, 400, `{"error":{"message":"there are no messages to answer","type":"invalid_request_error"}}` + "\n"},
		"no JSON":       {`hello`, 400, `{"error":{"message":"the request cannot be read: invalid character 'h' looking for beginning of value","type":"invalid_request_error"}}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			parrot("p", at).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(tt.body)))
			require.Equal(t, tt.status, w.Code)
			require.Equal(t, tt.want, w.Body.String())
		})
	}
	w := httptest.NewRecorder()
	parrot("p", at).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/models", nil))
	require.JSONEq(t, `{"object":"list","data":[{"id":"p","object":"model","owned_by":"dstack"}]}`, w.Body.String())
}
