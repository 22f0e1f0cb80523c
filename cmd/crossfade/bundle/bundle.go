// Package bundle writes what somebody needs who is asked for help: a tar.gz of
// texts.
//
//	w := bundle.New(file, "crossfade-sessions-20260102T150405Z", secrets)
//	w.JSON("status.json", status, err)
//	w.Text("metrics/127.0.0.1:9311.prom", text, err)
//	names, missing, err := w.Close()
//
// It promises that none of the secrets that it was given is in it, in clear, in
// base64 or in hex, whatever else is wrong: they are looked for in each text and
// replaced. What could not be had is named in missing.txt with the reason.
package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// most is the longest text, in bytes: a fleet's metrics are some hundred KB.
const most = 8 << 20

// hidden is what stands where a secret was.
const hidden = "<secret>"

// Writer makes one bundle. It is not safe for concurrent use. The first error of
// the file is kept, and Close gives it.
type Writer struct {
	gz      *gzip.Writer
	tar     *tar.Writer
	folder  string
	secrets *strings.Replacer
	at      time.Time
	names   []string
	missing []string
	err     error
}

// New begins a bundle in w, all of it in one folder. Secrets of fewer than four
// bytes are not looked for: they would be found everywhere.
func New(w io.Writer, folder string, secrets []string) *Writer {
	var pairs []string
	for _, s := range secrets {
		if len(s) < 4 {
			continue
		}
		b := []byte(s)
		for _, form := range []string{s, url.QueryEscape(s), base64.StdEncoding.EncodeToString(b), base64.URLEncoding.EncodeToString(b),
			base64.RawStdEncoding.EncodeToString(b), hex.EncodeToString(b), quoted(s)} {
			pairs = append(pairs, form, hidden)
		}
	}
	gz := gzip.NewWriter(w)
	return &Writer{gz: gz, tar: tar.NewWriter(gz), folder: folder, secrets: strings.NewReplacer(pairs...), at: time.Now()}
}

// quoted is a text as JSON has it.
func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always has a JSON text
	return string(b[1 : len(b)-1])
}

// Text adds a text, or why there is none.
func (w *Writer) Text(name string, data []byte, err error) {
	if err != nil {
		w.missing = append(w.missing, name+": "+err.Error())
		return
	}
	if len(data) > most {
		data = append(data[:most:most], "\n… cut off\n"...)
	}
	w.write(name, data)
}

// JSON adds a value, or why there is none.
func (w *Writer) JSON(name string, v any, err error) {
	var b bytes.Buffer
	if err == nil {
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err = e.Encode(v)
	}
	w.Text(name, b.Bytes(), err)
}

func (w *Writer) write(name string, data []byte) {
	text := w.secrets.Replace(string(data))
	if strings.Contains(text, "://") {
		text = addresses.ReplaceAllStringFunc(text, bare)
	}
	data = []byte(text)
	h := &tar.Header{Name: w.folder + "/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: w.at, Format: tar.FormatPAX}
	err := w.tar.WriteHeader(h)
	if err == nil {
		_, err = w.tar.Write(data)
	}
	if err != nil && w.err == nil {
		w.err = err
	}
	w.names = append(w.names, name)
}

// addresses may have a password, or a token in path or query.
var addresses = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]{0,31}://[^\s"'<>\\]+`)

// bare is an address with its host alone.
func bare(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		scheme, _, _ := strings.Cut(address, "://")
		return scheme + "://" + hidden
	}
	if u.User == nil && u.RawQuery == "" && (u.Path == "" || u.Path == "/") {
		return address
	}
	return u.Scheme + "://" + u.Host + "/" + hidden
}

// Close ends the bundle: its texts, and what is missing of it with the reason.
func (w *Writer) Close() (names, missing []string, err error) {
	if len(w.missing) > 0 {
		w.write("missing.txt", []byte(strings.Join(w.missing, "\n")+"\n"))
	}
	return w.names, w.missing, errors.Join(w.err, w.tar.Close(), w.gz.Close())
}
