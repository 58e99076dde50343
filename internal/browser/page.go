package browser

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Page is a page that is open in a tab of its own.
type Page struct {
	t   testing.TB
	ctx context.Context

	path, url string

	mu      sync.Mutex
	heard   []string
	closing sync.WaitGroup // dialogs that are being closed
}

// Open opens a page in a tab.
func (b *Browser) Open(t testing.TB, html []byte) *Page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	t.Cleanup(cancel)
	path := filepath.Join(t.TempDir(), "page.html")
	p := &Page{t: t, ctx: ctx, path: path, url: (&url.URL{Scheme: "file", Path: path}).String()}
	t.Cleanup(p.closing.Wait)
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	p.call("watch requests", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
		return err
	})
	p.Load(html)
	return p
}

// Load writes another page to the file of the tab and opens it in place of the one before.
func (p *Page) Load(html []byte) {
	p.t.Helper()
	if err := os.WriteFile(p.path, html, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.do(chromedp.Navigate(p.url))
}

// hear keeps what a page must not do. It is told of everything that happens in the tab.
func (p *Page) hear(event any) {
	said := ""
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		said = "console." + string(e.Type)
		for _, a := range e.Args {
			said += fmt.Sprintf(" %s", a.Value)
		}
	case *runtime.EventExceptionThrown:
		said = "exception: " + e.ExceptionDetails.Text
		if o := e.ExceptionDetails.Exception; o != nil {
			said += " " + o.Description
		}
	case *log.EventEntryAdded:
		said = fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if e.Request.URL != p.url {
			said = "request: " + e.Request.URL
		}
	case *cdpage.EventJavascriptDialogOpening:
		said = "dialog: " + e.Message
		p.closing.Go(func() { // all else waits for it; hear itself may not
			_, _ = chromedp.Call(p.ctx, cdpage.HandleJavaScriptDialog, cdpage.HandleJavaScriptDialogParams{}) // the tab may be gone
		})
	case *cdpage.EventFrameNavigated:
		if at := e.Frame.URL; at != p.url && at != "about:blank" {
			said = "navigation: " + at
		}
	}
	if said != "" {
		p.mu.Lock()
		p.heard = append(p.heard, said)
		p.mu.Unlock()
	}
}

// Complaints are what the page has done that a page must not do: messages on the console, exceptions, requests, dialogs,
// leaving for another page.
func (p *Page) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.heard)
}

// call does something with the page, within a time.
func (p *Page) call(what string, do func(context.Context) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	if err := do(ctx); err != nil {
		p.t.Fatalf("%s: %v\n%s", what, err, strings.Join(p.Complaints(), "\n"))
	}
}

func (p *Page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	p.call("use the page", func(ctx context.Context) error { return chromedp.Do(ctx, steps...) })
}

// Eval is what an expression of JavaScript is worth in the page.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	var out T
	p.call(expression, func(ctx context.Context) (err error) {
		out, err = chromedp.Run(ctx, chromedp.Evaluate[T](expression))
		return err
	})
	return out
}

// Click clicks the first element that a CSS selector finds, once it can be seen.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.do(chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
}

// Press presses keys one after the other; those without a letter are the constants of chromedp/kb. A page that takes a key
// for itself keeps its letter from being written, as with a real keyboard.
func (p *Page) Press(keys string) {
	p.t.Helper()
	p.call("press "+keys, func(ctx context.Context) error {
		for _, r := range keys {
			events := kb.Encode(r)
			for i, e := range events {
				if e.Type == input.DispatchKeyEventTypeChar {
					continue // it went along with the key
				}
				if i+1 < len(events) && events[i+1].Type == input.DispatchKeyEventTypeChar {
					e.Type, e.Text, e.UnmodifiedText = input.DispatchKeyEventTypeKeyDown, events[i+1].Text, events[i+1].UnmodifiedText
				}
				if _, err := chromedp.Call(ctx, input.DispatchKeyEvent, *e); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Prefer lets the system of the reader prefer a scheme of colours: light or dark.
func (p *Page) Prefer(scheme string) {
	p.t.Helper()
	p.call("prefer "+scheme, func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
}

// Screenshot is what can be seen of the page, as a PNG file and as a picture.
func (p *Page) Screenshot() ([]byte, image.Image) {
	p.t.Helper()
	var file []byte
	p.call("take a screenshot", func(ctx context.Context) (err error) {
		file, err = chromedp.Run(ctx, chromedp.CaptureScreenshot())
		return err
	})
	picture, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		p.t.Fatalf("read the screenshot: %v", err)
	}
	return file, picture
}
