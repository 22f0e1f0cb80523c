package consoletest

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	pictures    = "../../../docs/screenshots"
	pictureMost = 150 << 10 // bytes
)

// TestScreenshots makes the pictures of docs/console.md anew: make screenshots. A
// stand-in says what they show, so that they show the same each time.
func TestScreenshots(t *testing.T) {
	if os.Getenv("CROSSFADE_SCREENSHOTS") == "" {
		t.Skip("CROSSFADE_SCREENSHOTS=1 writes docs/screenshots: make screenshots")
	}
	s := newStandin(t, 12)
	s.set(func() { s.series = busyHour(); s.log(); s.copied(); s.differ() })
	s.plan = readNew
	s.refusal = m{"Gate": "verified", "Found": "no verification counts: web-07.fra1 was started anew since", "Do": "run crossfade verify, then this again"}
	at := func(l look) *tab {
		b := open(t, s.url, l, "ERR_") // it is stopped at the end
		b.says("#link", "live")
		b.until("charts", `document.querySelectorAll("#figures canvas").length === 8`)
		b.do(`document.querySelector("#divergences").scrollIntoView()`)
		b.says("#divergences-body", "missing_new")
		b.says("#log-body", "sign-in")
		b.do(`scrollTo(0, 0)`)
		return b
	}
	wide := look{1280, 1000, false}
	at(wide).picture("console.png", "")
	at(look{1280, 1000, true}).picture("dark.png", "")
	b := at(wide)
	b.picture("divergences.png", "#divergences")
	b.picture("log.png", "#log")

	b.do(`scrollTo(0, 0)`)
	b.click("#ramp .main")
	b.says("#act", "What changes")
	b.fill("#act-why", "5 % stood for half an hour")
	b.picture("dry-run.png", "#act")
	b.click("#act .main")
	b.says("#act .told", "Refused by gate verified")
	b.picture("refused.png", "#act")

	s.set(func() { s.copying() })
	b = at(look{390, 844, false})
	b.picture("narrow.png", "")
	b = at(wide)
	b.says("#doing", "40.3 %")
	b.picture("backfill.png", "#copies")

	many := newStandin(t, 100)
	many.set(many.broken)
	b = open(t, many.url, wide)
	b.says("#agents-sum", "100: 98")
	b.picture("agents.png", "#agents")

	out := newStandin(t, 12)
	out.me["role"], out.me["name"], out.me["signed_in"] = "", "", false
	b = open(t, out.url, look{640, 400, false})
	b.until("the dialog", `document.querySelector("#sign-in").open`)
	b.picture("sign-in.png", "")

	b = at(wide)
	s.stop()
	b.says("#notices", "Not connected since")
	b.picture("not-connected.png", "")
}

// picture is the window, or an element, as a small file.
func (b *tab) picture(name, selector string) {
	b.t.Helper()
	path := filepath.Join(pictures, name)
	b.shot(path, selector)
	data, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few(img)); err != nil {
		b.t.Fatal(err)
	}
	if out.Len() > pictureMost {
		b.t.Errorf("%s has %d bytes: at most %d", name, out.Len(), pictureMost)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// few is a picture in its 256 most frequent colours, and others in the nearest of
// them: a page has hardly more, and the file half the size.
func few(img image.Image) *image.Paletted {
	n := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(img.At(x, y)).(color.RGBA) }
	r := img.Bounds()
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			n[at(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(n), func(a, b color.RGBA) int {
		return cmp.Or(n[b]-n[a], cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	var p color.Palette
	for _, c := range all[:min(len(all), 256)] {
		p = append(p, c)
	}
	index := map[color.RGBA]uint8{}
	for _, c := range all {
		index[c] = uint8(p.Index(c))
	}
	out := image.NewPaletted(r, p)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			out.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	return out
}

// TestPictures: docs/console.md shows each picture that is there, and no other.
func TestPictures(t *testing.T) {
	text, err := os.ReadFile("../../../docs/console.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(pictures, "*.png"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d pictures: make screenshots (%v)", len(files), err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		if !strings.Contains(string(text), "](screenshots/"+name+")") {
			t.Errorf("docs/console.md does not show %s", name)
		}
		if fi, err := os.Stat(f); err != nil || fi.Size() > pictureMost {
			t.Errorf("%s is too large for the repository: make screenshots", name)
		}
	}
	if n := strings.Count(string(text), "](screenshots/"); n != len(files) {
		t.Errorf("docs/console.md shows %d pictures, of %d", n, len(files))
	}
}
