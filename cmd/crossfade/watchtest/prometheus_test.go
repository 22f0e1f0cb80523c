package watchtest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
)

// prometheus is a real one, with its data in a folder of the test.
type prometheus struct {
	t    testing.TB
	addr string
	proc *localserver.Process
	http *http.Client
	// second is what the second agent is called in labels: expectations say second.
	second string
}

// scrape is how often it asks the agents; window is what stands for Grafana's
// $__rate_interval, four times that and a little more.
const (
	scrape = 500 * time.Millisecond
	window = "3s"
)

func startPrometheus(t testing.TB, agents []string) *prometheus {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("prometheus is not installed: apt-get install prometheus")
	}
	dir := t.TempDir()
	rules, err := filepath.Abs(filepath.Join("..", "..", "..", "dashboard", "alerts", "crossfade.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("global: {scrape_interval: %v, evaluation_interval: %v}\nrule_files: [%q]\nscrape_configs:\n- job_name: crossfade\n  static_configs: [{targets: [\"%s\"]}]\n",
		scrape, scrape, rules, strings.Join(agents, `", "`))
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &prometheus{t: t, addr: backendtest.FreeAddr(t), http: &http.Client{Timeout: 10 * time.Second}, second: agents[1]}
	cmd := exec.Command(path, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+p.addr, "--log.level=warn")
	if p.proc, err = localserver.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.http.CloseIdleConnections()
		if err := p.proc.Stop(10 * time.Second); err != nil {
			t.Error(err)
		}
	})
	poll(t, 20*time.Second, "prometheus to be ready: "+p.proc.Output(), func() bool {
		r, err := p.http.Get("http://" + p.addr + "/-/ready")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return p
}

// point is one series of an answer.
type point struct {
	labels map[string]string
	value  float64
}

// ask evaluates an expression now. Series without a number (0/0) are left out.
func (p *prometheus) ask(expr string) []point {
	p.t.Helper()
	r, err := p.http.PostForm("http://"+p.addr+"/api/v1/query", url.Values{"query": {expr}})
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	var a struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal(body, &a); err != nil || a.Status != "success" {
		p.t.Fatalf("%s: %s", expr, body)
	}
	var out []point
	for _, s := range a.Data.Result {
		text, _ := s.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			p.t.Fatalf("%s: %q", expr, text)
		}
		if !math.IsNaN(v) {
			out = append(out, point{s.Metric, v})
		}
	}
	return out
}

// rules looks at every alert rule that was loaded, and returns their names.
func (p *prometheus) rules() (names []string) {
	p.t.Helper()
	r, err := p.http.Get("http://" + p.addr + "/api/v1/rules")
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	var a struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		p.t.Fatal(err)
	}
	for _, g := range a.Data.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" || r.LastError != "" {
				p.t.Errorf("alert %s: %s %s", r.Name, r.Health, r.LastError)
			}
			names = append(names, r.Name)
		}
	}
	return names
}

// total is the sum of those series that have the labels of only (a=b,c=d); none: 0.
func total(points []point, only string) (sum float64) {
	for _, p := range points {
		fits := true
		for _, want := range strings.Split(only, ",") {
			if name, value, ok := strings.Cut(want, "="); ok && p.labels[name] != value {
				fits = false
			}
		}
		if fits {
			sum += p.value
		}
	}
	return sum
}

func text(points []point) string {
	var parts []string
	for _, p := range points {
		var labels []string
		for _, k := range slices.Sorted(maps.Keys(p.labels)) {
			labels = append(labels, k+"="+p.labels[k])
		}
		parts = append(parts, fmt.Sprintf("{%s} %.4g", strings.Join(labels, ","), p.value))
	}
	return strings.Join(parts, "; ")
}
