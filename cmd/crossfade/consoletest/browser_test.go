package consoletest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
)

// patience is how long a test waits for what must come: the machine may run
// everything at once.
const patience = 90 * time.Second

// chrome is the one Chromium of all tests: each has a profile of its own in it.
var chrome struct {
	sync.Once
	ctx  context.Context
	stop []context.CancelFunc
	err  error
}

func TestMain(m *testing.M) { binarytest.Main(ending{m}) }

// ending closes the browser before goroutines are counted.
type ending struct{ m *testing.M }

func (e ending) Run() int {
	code := e.m.Run()
	for i := len(chrome.stop) - 1; i >= 0; i-- {
		chrome.stop[i]()
	}
	return code
}

// browser starts it. A test without it proves nothing: a machine that has none
// fails.
func browser(t testing.TB) context.Context {
	t.Helper()
	chrome.Do(func() {
		path, err := exec.LookPath("chromium")
		if err != nil {
			chrome.err = fmt.Errorf("%w: the console is tested in it: apt-get install chromium, or make deps", err)
			return
		}
		dir, err := os.MkdirTemp("", "crossfade-chromium-")
		if err != nil {
			chrome.err = err
			return
		}
		options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
			chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-lcd-text", true), chromedp.Flag("disable-background-timer-throttling", true),
			chromedp.Flag("disable-renderer-backgrounding", true), chromedp.Flag("disable-backgrounding-occluded-windows", true), chromedp.WSURLReadTimeout(patience)}
		if os.Getuid() == 0 {
			options = append(options, chromedp.NoSandbox) // it has none for root
		}
		allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
		chrome.stop = append(chrome.stop, func() { os.RemoveAll(dir) }, stop)
		ctx, end := chromedp.NewContext(allocator)
		chrome.ctx, chrome.err = ctx, chromedp.Do(ctx)
		chrome.stop = append(chrome.stop, func() { chromedp.Cancel(ctx); end() })
	})
	if chrome.err != nil {
		t.Fatal(chrome.err)
	}
	return chrome.ctx
}

// tab is a page in a profile of its own. What its console complains of fails the
// test, but for what the test expects.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex // guards what follows
	said     []string
	outside  []string // requests to anywhere else than origin
	origin   string
	expected []string
}

type look struct {
	width, height int64
	dark          bool
}

func open(t testing.TB, url string, l look, expected ...string) *tab {
	t.Helper()
	tb := &tab{t: t, origin: url, expected: expected}
	ctx, cancel := chromedp.NewContext(browser(t), chromedp.WithNewBrowserContext(), chromedp.WithListener(tb.hear))
	tb.ctx = ctx
	t.Cleanup(func() {
		if t.Failed() {
			tb.dump()
		}
		cancel()
		tb.complaints()
	})
	if err := chromedp.Do(ctx); err != nil { // without a deadline: the tab would end with it
		t.Fatal(err)
	}
	if l.width == 0 {
		l = look{1280, 900, l.dark}
	}
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	set(tb, network.Enable, network.EnableParams{})
	set(tb, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.width, Height: l.height, DeviceScaleFactor: 1, Mobile: l.width < 600})
	set(tb, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	set(tb, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}) // several tabs are the one that somebody looks at
	set(tb, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"})
	set(tb, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}) // a test's own CA is nobody's
	tb.run(chromedp.Navigate(url))
	return tb
}

// set sends a command to the tab.
func set[P, R any](b *tab, c cdp.Command[P, R], p P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, c, p); err != nil {
		b.t.Fatal(err)
	}
}

// inject runs a script in each page that is loaded from now on, before its own.
func (b *tab) inject(js string) {
	b.t.Helper()
	set(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: js})
}

func (b *tab) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		d := e.ExceptionDetails
		what := d.Text
		if d.Exception != nil {
			what += " " + d.Exception.Description
		}
		b.said = append(b.said, fmt.Sprintf("%s (%s:%d)", what, d.URL, d.LineNumber+1))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.said = append(b.said, fmt.Sprintf("%s (%s)", e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			b.said = append(b.said, fmt.Sprintf("console.error: %s", e.Args[0].Description))
		}
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, b.origin) && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "about:") {
			b.outside = append(b.outside, u)
		}
	}
}

func (b *tab) complaints() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.said {
		ok := false
		for _, e := range b.expected {
			ok = ok || strings.Contains(s, e)
		}
		if !ok {
			b.t.Errorf("the browser complains: %s", s)
		}
	}
	for _, u := range b.outside {
		b.t.Errorf("the page asked something outside: %s", u)
	}
}

func (b *tab) dump() {
	if text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText + "\n" + [...document.querySelectorAll("dialog[open]")].map(d => "DIALOG " + d.innerText).join("\n")`)); err == nil {
		b.t.Logf("the page said:\n%s", text[:min(len(text), 6000)])
	}
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval is an expression of JavaScript, as text, number or bool.
func eval[T any](b *tab, js string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// do runs JavaScript for what it does.
func (b *tab) do(js string) {
	b.t.Helper()
	eval[int](b, "(() => { "+js+"; return 1 })()")
}

// until waits for an expression to be true.
func (b *tab) until(what, js string) {
	b.t.Helper()
	binarytest.Within(b.t, patience, what, func() bool { return eval[bool](b, "!!("+js+")") })
}

// says waits until an element's text has that in it.
func (b *tab) says(selector, part string) {
	b.t.Helper()
	b.until(fmt.Sprintf("%s to say %q", selector, part), fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))`, selector, part))
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.run(chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
}

// fill types into a field, in place of what is there.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.run(chromedp.WaitVisible(chromedp.CSS(selector)))
	b.do(fmt.Sprintf(`document.querySelector(%q).value = ""`, selector))
	b.run(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// shot is a picture of the window, or of one element of the page.
func (b *tab) shot(path, selector string) {
	b.t.Helper()
	action := chromedp.CaptureScreenshot()
	if selector != "" {
		action = chromedp.Screenshot(chromedp.CSS(selector))
	}
	data, err := chromedp.Run(b.ctx, action)
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
