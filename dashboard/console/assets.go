package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var files embed.FS

func embedded() fs.FS {
	sub, err := fs.Sub(files, "assets")
	if err != nil {
		panic("console: " + err.Error())
	}
	return sub
}

// shellName is the template of the page; it is not served as a file.
const shellName = "shell.html"

// site is all files, made once. They share one hash, which is in their address:
// modules import each other by relative names, and one that has changed must
// not meet old ones from a cache.
type site struct {
	hash      string
	assets    map[string]asset
	shell     asset
	immutable bool // an address never gets another content
}

type asset struct {
	mime          string
	plain, zipped []byte
	tag           string
}

// build reads the files and makes the shell of them.
func build(o Options, from fs.FS) (*site, error) {
	p := &site{assets: map[string]asset{}, immutable: true}
	sum := sha256.New()
	var modules []string
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(data)) // in WalkDir's order, which is fixed
		sum.Write(data)
		if name == shellName {
			return nil
		}
		if path.Dir(name) == "js" { // what draws the charts comes after the page
			modules = append(modules, name)
		}
		p.assets[name] = newAsset(name, data)
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.hash = hex.EncodeToString(sum.Sum(nil))[:16]
	t, err := template.ParseFS(from, shellName)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		Options
		Assets  string
		Modules []string // fetched at once, not one import after the other
	}{o, "assets/" + p.hash, modules})
	p.shell = newAsset(shellName, b.Bytes())
	return p, err
}

func newAsset(name string, data []byte) asset {
	sum := sha256.Sum256(data)
	a := asset{mime: mime.TypeByExtension(path.Ext(name)), plain: data, tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
	if a.mime == "" {
		a.mime = "text/plain; charset=utf-8"
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data)
	z.Close()
	if b.Len() < len(data) {
		a.zipped = b.Bytes()
	}
	return a
}

// ServeHTTP answers with the shell or a file. A file under another hash is of
// another version of the page, which has to be loaded anew.
func (p *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" {
		p.shell.serve(w, r, "no-cache")
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/assets/")
	hash, name, _ := strings.Cut(rest, "/")
	a, found := p.assets[name]
	if !ok || !found || p.immutable && hash != p.hash {
		http.NotFound(w, r)
		return
	}
	cache := "no-cache"
	if p.immutable {
		cache = "public, max-age=31536000, immutable"
	}
	a.serve(w, r, cache)
}

func (a asset) serve(w http.ResponseWriter, r *http.Request, cache string) {
	h := w.Header()
	h.Set("Cache-Control", cache)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Type", a.mime)
	body, tag := a.plain, a.tag
	if a.zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body, tag = a.zipped, strings.TrimSuffix(a.tag, `"`)+`-gz"` // a tag is of the bytes that are sent
	}
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}
