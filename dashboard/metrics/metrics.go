// Package metrics gives what an agent does as Prometheus series: rates and
// latencies by frontend, operation and position, both stores side by side, and
// what stands between the fleet and the next step.
//
//	m := metrics.New("sessions", version)
//	layer, err := darklaunch.New(darklaunch.Options{Observer: m, …})
//	m.Watch(layer, source)
//	mux.Handle("GET /metrics", m.Handler())
//
// All names begin with crossfade_ and carry the constant label migration. Label
// values are closed sets, never an id, and one agent has fewer than 2,000
// series. Catalogue lists them; docs/metrics.md is made from it. The registry is its own: two agents in one process do not collide.
package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// buckets of every duration: from a memory store's answer to a timeout. Nine,
// because every one costs a series for each label.
var buckets = []float64{.0002, .0005, .001, .0025, .005, .01, .05, .25, 1}

// Metrics is a darklaunch.Observer that counts. It is safe for concurrent use.
type Metrics struct {
	reg *prometheus.Registry

	requests      *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	storeDuration *prometheus.HistogramVec
	storeErrors   *prometheus.CounterVec
	comparisons   *prometheus.CounterVec
	divergences   *prometheus.CounterVec
	fallbacks     *prometheus.CounterVec
	repairs       *prometheus.CounterVec
	copied        *prometheus.CounterVec
	dropped       prometheus.Counter
	lockConflicts prometheus.Counter
	unsupported   *prometheus.CounterVec
	logDropped    prometheus.Counter

	// The children that requests count in, by operation and position, and by side.
	heldRequests [rules.Unlock + 1][position.Count]held[requestKey, requestSeries]
	heldCalls    [2]held[callKey, prometheus.Observer]
}

var _ darklaunch.Observer = (*Metrics)(nil)

// New makes the metrics of one agent.
func New(migration, version string) *Metrics {
	reg := prometheus.NewRegistry()
	label := prometheus.Labels{"migration": migration}
	r := prometheus.WrapRegistererWith(label, reg)
	counter := func(name string) *prometheus.CounterVec {
		d := series(name)
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.labels())
		r.MustRegister(c)
		return c
	}
	histogram := func(name string) *prometheus.HistogramVec {
		d := series(name)
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour}, d.labels())
		r.MustRegister(h)
		return h
	}
	m := &Metrics{
		reg:           reg,
		requests:      counter("requests_total"),
		duration:      histogram("request_duration_seconds"),
		storeDuration: histogram("store_duration_seconds"),
		storeErrors:   counter("store_errors_total"),
		comparisons:   counter("comparisons_total"),
		divergences:   counter("divergences_total"),
		fallbacks:     counter("fallbacks_total"),
		repairs:       counter("repairs_total"),
		copied:        counter("copied_sessions_total"),
		dropped:       counter("mirror_dropped_total").WithLabelValues(),
		lockConflicts: counter("lock_conflicts_total").WithLabelValues(),
		unsupported:   counter("unsupported_commands_total"),
		logDropped:    counter("log_dropped_total").WithLabelValues(),
	}
	info := series("build_info")
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: info.Name, Help: info.Help}, info.labels())
	build.WithLabelValues(version, runtime.Version()).Set(1)
	r.MustRegister(build)
	return m
}

// Handler serves the series.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.reg, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Gather gives the registry, for tests and for the demonstration.
func (m *Metrics) Gather() prometheus.Gatherer { return m.reg }

type requestKey struct{ frontend, result string }

type requestSeries struct {
	count prometheus.Counter
	took  prometheus.Observer
}

// Request implements darklaunch.Observer.
func (m *Metrics) Request(frontend string, op rules.Op, at position.Position, result string, took time.Duration) {
	rs := m.heldRequests[op][at].of(requestKey{frontend, result}, func() requestSeries {
		return requestSeries{
			count: m.requests.WithLabelValues(frontend, op.String(), at.String(), result),
			took:  m.duration.WithLabelValues(frontend, string(classOf(op)), at.String()),
		}
	})
	rs.count.Inc()
	rs.took.Observe(took.Seconds())
}

func classOf(op rules.Op) darklaunch.Class {
	switch op {
	case rules.Get:
		return darklaunch.Read
	case rules.Touch:
		return darklaunch.Touch
	case rules.Delete:
		return darklaunch.Delete
	case rules.Lock, rules.Unlock:
		return darklaunch.Lock
	}
	return darklaunch.Write
}

type callKey struct {
	class   darklaunch.Class
	purpose darklaunch.Purpose
}

// StoreCall implements darklaunch.Observer.
func (m *Metrics) StoreCall(side rules.Side, class darklaunch.Class, purpose darklaunch.Purpose, took time.Duration) {
	m.heldCalls[side].of(callKey{class, purpose}, func() prometheus.Observer {
		return m.storeDuration.WithLabelValues(side.String(), string(class), string(purpose))
	}).Observe(took.Seconds())
}

// StoreError implements darklaunch.Observer.
func (m *Metrics) StoreError(side rules.Side, timeout bool) {
	reason := "error"
	if timeout {
		reason = "timeout"
	}
	m.storeErrors.WithLabelValues(side.String(), reason).Inc()
}

// Comparison implements darklaunch.Observer.
func (m *Metrics) Comparison(result string) { m.comparisons.WithLabelValues(result).Inc() }

// Divergence implements darklaunch.Observer.
func (m *Metrics) Divergence(class, cause string) { m.divergences.WithLabelValues(class, cause).Inc() }

// Fallback implements darklaunch.Observer.
func (m *Metrics) Fallback(reason string) { m.fallbacks.WithLabelValues(reason).Inc() }

// Repair implements darklaunch.Observer.
func (m *Metrics) Repair(side rules.Side, result string) {
	m.repairs.WithLabelValues(side.String(), result).Inc()
}

// Copied implements darklaunch.Observer.
func (m *Metrics) Copied(job, result string) { m.copied.WithLabelValues(job, result).Inc() }

// MirrorDropped implements darklaunch.Observer.
func (m *Metrics) MirrorDropped() { m.dropped.Inc() }

// LockConflict implements darklaunch.Observer.
func (m *Metrics) LockConflict() { m.lockConflicts.Inc() }

// Unsupported counts a command that a frontend refused.
func (m *Metrics) Unsupported(class string) { m.unsupported.WithLabelValues(class).Inc() }

// LogDropped counts a log record that was dropped.
func (m *Metrics) LogDropped() { m.logDropped.Inc() }
