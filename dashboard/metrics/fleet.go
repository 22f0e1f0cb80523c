package metrics

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Fleet is what the one who watches all agents exports about them.
type Fleet struct {
	Estimate, Lower, Upper float64 // would-be logouts
	// IdleAge is how long ago all sessions were looked at; negative: not known.
	IdleAge time.Duration
	Agents  map[string]int    // by state
	Gates   map[string]string // gate: open, shut, unknown
	// Window is the rollback window; math.MaxInt64: no end, negative: not known.
	Window time.Duration
	// Job is the copy that runs or ran last, empty: none is known; Progress how
	// far it is, 0 to 1.
	Job      string
	Progress float64
}

// fleet reads what was last seen when it is scraped.
type fleet struct {
	last                            func() (Fleet, bool)
	estimate, lower, upper, age     *prometheus.Desc
	agents, gates, window, progress *prometheus.Desc
}

// WatchFleet adds what is told about all agents. last is asked at each scrape;
// while it has nothing, nothing is exported.
func (m *Metrics) WatchFleet(migration string, last func() (Fleet, bool)) {
	d := descs(migration)
	m.reg.MustRegister(&fleet{last: last,
		estimate: d("would_be_logouts_estimate"), lower: d("would_be_logouts_lower"), upper: d("would_be_logouts_upper"),
		age: d("would_be_logouts_idle_age_seconds"), agents: d("agents"), gates: d("gate_state"),
		window: d("rollback_window_seconds"), progress: d("copy_progress_ratio")})
}

// Describe implements prometheus.Collector.
func (f *fleet) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.estimate, f.lower, f.upper, f.age, f.agents, f.gates, f.window, f.progress} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (f *fleet) Collect(ch chan<- prometheus.Metric) {
	v, ok := f.last()
	if !ok {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(f.estimate, v.Estimate)
	gauge(f.lower, v.Lower)
	gauge(f.upper, v.Upper)
	if v.IdleAge >= 0 {
		gauge(f.age, v.IdleAge.Seconds())
	}
	agents := series("agents")
	for _, state := range agents.Labels[0].Values {
		gauge(f.agents, float64(v.Agents[state]), state)
	}
	gates := series("gate_state")
	for _, gate := range gates.Labels[0].Values {
		for _, state := range gates.Labels[1].Values {
			if is, known := v.Gates[gate]; known {
				gauge(f.gates, one(is == state), gate, state)
			}
		}
	}
	switch {
	case v.Window == math.MaxInt64:
		gauge(f.window, math.Inf(1))
	case v.Window >= 0:
		gauge(f.window, v.Window.Seconds())
	}
	if v.Job != "" {
		gauge(f.progress, v.Progress, v.Job)
	}
}
