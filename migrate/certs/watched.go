package certs

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"sync"
)

// watched is a configuration that is as new as its files. They are looked at
// when somebody connects, which costs a stat each, and no goroutine.
type watched struct {
	paths  []string
	failed func(error)
	load   func() (*tls.Config, error)

	mu    sync.Mutex // guards what follows; held over reading some kilobytes
	stamp string     // of the files when they were read last
	good  *tls.Config
	said  string
}

func watch(paths []string, failed func(error), load func() (*tls.Config, error)) (*watched, error) {
	w := &watched{paths: paths, failed: failed, load: load}
	w.stamp = w.stamps() // before they are read: what changes meanwhile is read again
	var err error
	w.good, err = load()
	return w, err
}

// now is what the files say, or said when they last could be used: a certificate
// and its key are renewed one after the other.
func (w *watched) now() *tls.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	stamp := w.stamps()
	if stamp == w.stamp {
		return w.good
	}
	c, err := w.load()
	if err == nil {
		w.good, w.stamp, w.said = c, stamp, ""
		return c
	}
	if text := err.Error(); text != w.said {
		w.said = text
		if w.failed != nil {
			w.failed(fmt.Errorf("what was read before stays in use: %w", err))
		}
	}
	return w.good
}

func (w *watched) stamps() string {
	var b strings.Builder
	for _, p := range w.paths {
		fi, err := os.Stat(p) // of what a link leads to
		if err != nil {
			fmt.Fprintf(&b, "%s gone;", p)
			continue
		}
		fmt.Fprintf(&b, "%s %d %d;", p, fi.Size(), fi.ModTime().UnixNano())
	}
	return b.String()
}
