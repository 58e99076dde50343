package agent

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runParrot serves an API that is compatible with OpenAI's on a port, of 127.0.0.1 unless told otherwise. Its model says what it is told. Examples use
// it where there is no GPU for a real one.
func runParrot(ctx context.Context, s streams, args []string) error {
	var port int
	var host string
	var name string
	if err := flags(s, "parrot", args, func(f *flag.FlagSet) {
		f.IntVar(&port, "port", 0, "port on the host's address")
		f.StringVar(&host, "host", "127.0.0.1", "address to listen on; 0.0.0.0 in a container that has a network of its own")
		f.StringVar(&name, "model", "parrot", "the model's name")
	}); err != nil {
		return err
	}
	if port < 1 || port > 65535 {
		return fmt.Errorf("%w: parrot needs --port, between 1 and 65535", errUsage)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "the model %s listens on %s\n", name, l.Addr())
	return serveUntil(ctx, &http.Server{Handler: parrot(name, time.Now), ReadHeaderTimeout: 10 * time.Second}, l)
}

// serveUntil serves until ctx is done, and then gives requests that are open 5 seconds to end.
func serveUntil(ctx context.Context, web *http.Server, l net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := web.Shutdown(ending); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// Documents of the chat API, as far as the parrot speaks them.
type (
	chatMessage struct {
		Role    string `json:"role,omitempty"`
		Content string `json:"content"`
	}
	chatRequest struct {
		Model    string        `json:"model"`
		Messages []chatMessage `json:"messages"`
		Stream   bool          `json:"stream"`
	}
	chatChoice struct {
		Index        int          `json:"index"`
		Message      *chatMessage `json:"message,omitempty"`
		Delta        *chatMessage `json:"delta,omitempty"`
		FinishReason *string      `json:"finish_reason"`
	}
	chatUsage struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
	}
	chatAnswer struct {
		ID      string       `json:"id"`
		Object  string       `json:"object"`
		Created int64        `json:"created"`
		Model   string       `json:"model"`
		Choices []chatChoice `json:"choices"`
		Usage   *chatUsage   `json:"usage,omitempty"`
	}
)

// parrot answers with the last thing that the user said, in one piece or word by word.
func parrot(name string, now func() time.Time) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []map[string]any{{"id": name, "object": "model", "owned_by": "dstack"}}})
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var q chatRequest
		problem := ""
		switch err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&q); {
		case err != nil:
			problem = "the request cannot be read: " + err.Error()
		case q.Model != name:
			problem = "the only model here is " + name
		case len(q.Messages) == 0:
			problem = "there are no messages to answer"
		}
		if problem != "" {
			writeJSON(w, http.StatusBadRequest, map[string]any{"error": map[string]any{"message": problem, "type": "invalid_request_error"}})
			return
		}
		words := strings.Fields(q.Messages[len(q.Messages)-1].Content)
		heard := 0
		for _, m := range q.Messages {
			heard += len(strings.Fields(m.Content))
		}
		a := chatAnswer{ID: fmt.Sprintf("chatcmpl-%d", now().UnixNano()), Created: now().Unix(), Model: name}
		if q.Stream {
			recite(w, a, words)
			return
		}
		stop := "stop"
		a.Object = "chat.completion"
		a.Choices = []chatChoice{{Message: &chatMessage{Role: "assistant", Content: strings.Join(words, " ")}, FinishReason: &stop}}
		a.Usage = &chatUsage{heard, len(words), heard + len(words)}
		writeJSON(w, http.StatusOK, a)
	})
	return mux
}

// recite sends an answer word by word.
func recite(w http.ResponseWriter, a chatAnswer, words []string) {
	w.Header().Set("Content-Type", "text/event-stream")
	a.Object = "chat.completion.chunk"
	say := func(c chatChoice) {
		a.Choices = []chatChoice{c}
		data, err := json.Marshal(a)
		if err != nil {
			return // texts and numbers can be encoded
		}
		fmt.Fprintf(w, "data: %s\n\n", data)
		http.NewResponseController(w).Flush() // a client that is gone is noticed by the server
	}
	for i, word := range words {
		m := &chatMessage{Content: " " + word}
		if i == 0 {
			m = &chatMessage{Role: "assistant", Content: word}
		}
		say(chatChoice{Delta: m})
	}
	stop := "stop"
	say(chatChoice{Delta: &chatMessage{}, FinishReason: &stop})
	fmt.Fprint(w, "data: [DONE]\n\n")
}
