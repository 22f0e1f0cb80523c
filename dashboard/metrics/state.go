package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// state reads the layer and the flags when it is scraped.
type state struct {
	layer *darklaunch.Layer
	src   flags.Source

	dirty, marks, lost, unknown, breaker, ramp, conns, parked *prometheus.Desc
	queued, queuedBytes, lag, epoch, revision, contact        *prometheus.Desc
}

// Watch adds what is read at each scrape: queues, dirty sessions, breakers, the
// ramp.
func (m *Metrics) Watch(migration string, layer *darklaunch.Layer, src flags.Source) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("crossfade_"+name, help, labels, prometheus.Labels{"migration": migration})
	}
	m.reg.MustRegister(&state{layer: layer, src: src,
		dirty:       desc("dirty_sessions", "Sessions whose copy in the store is behind or unknown.", "store"),
		marks:       desc("marks", "Marks that this agent has put and not yet removed.", "store"),
		lost:        desc("marks_lost_total", "Marks that stood when old evicted something or restarted.", "store"),
		conns:       desc("store_connections", "Open connections to the store, parked ones included.", "store"),
		parked:      desc("parked_connections", "Connections held by calls of unknown outcome.", "store"),
		unknown:     desc("unknown_calls", "Calls that timed out and may still take effect.", "store"),
		breaker:     desc("breaker_state", "1 for the state that the breaker is in.", "store", "state"),
		ramp:        desc("ramp_ratio", "How much of the sessions is at least in the stage.", "stage"),
		queued:      desc("mirror_queue_operations", "Writes on their way to the store that does not decide."),
		queuedBytes: desc("mirror_queue_bytes", "Bytes of those."),
		lag:         desc("mirror_lag_seconds", "How long the write waited that is being delivered."),
		epoch:       desc("epoch", "The newest revision that this agent has taken."),
		revision:    desc("flag_revision", "The newest revision that the flags have."),
		contact:     desc("flag_last_contact_timestamp_seconds", "When the flags were last read and found to be what is served."),
	})
}

// Describe implements prometheus.Collector.
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.dirty, s.marks, s.lost, s.conns, s.parked, s.unknown, s.breaker, s.ramp, s.queued, s.queuedBytes, s.lag, s.epoch, s.revision, s.contact} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	st := s.layer.Status()
	gauge(s.dirty, float64(st.DirtyNew), "new")
	gauge(s.dirty, float64(st.DirtyOld), "old")
	gauge(s.marks, float64(st.MarksStanding), "old")
	ch <- prometheus.MustNewConstMetric(s.lost, prometheus.CounterValue, float64(st.MarksLost), "old")
	for _, side := range []rules.Side{rules.Old, rules.New} {
		if h, ok := s.layer.Health(side); ok {
			gauge(s.conns, float64(h.Connections), side.String())
			gauge(s.parked, float64(h.Parked), side.String())
		}
	}
	gauge(s.unknown, float64(st.UnknownOld), "old")
	gauge(s.unknown, float64(st.UnknownNew), "new")
	for _, name := range []string{"closed", "half-open", "open"} {
		gauge(s.breaker, one(st.BreakerOld == name), "old", name)
		gauge(s.breaker, one(st.BreakerNew == name), "new", name)
	}
	gauge(s.queued, float64(st.Queued))
	gauge(s.queuedBytes, float64(st.QueuedBytes))
	gauge(s.lag, st.MirrorLag.Seconds())
	gauge(s.epoch, float64(st.Epoch))
	gauge(s.contact, float64(st.FlagsContact.UnixMilli())/1000)
	snap := s.src.Current()
	gauge(s.revision, float64(snap.Epoch()))
	if snap == nil {
		return
	}
	w := snap.Definition().Weights
	atLeast := 0
	for _, p := range []position.Position{position.Cutover, position.ReadNew, position.Mirror} {
		switch p {
		case position.Cutover:
			atLeast += w[position.Cutover] + w[position.Back]
		case position.ReadNew:
			atLeast += w[position.Sealed] + w[position.ReadNew]
		case position.Mirror:
			atLeast += w[position.Fenced] + w[position.Mirror]
		}
		gauge(s.ramp, float64(atLeast)/flags.Buckets, p.Stage())
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
