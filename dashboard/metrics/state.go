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
	tombs, bypass, recompared                                 *prometheus.Desc
}

// Watch adds what is read at each scrape: queues, dirty sessions, breakers, the
// ramp.
func (m *Metrics) Watch(migration string, layer *darklaunch.Layer, src flags.Source) {
	d := descs(migration)
	m.reg.MustRegister(&state{layer: layer, src: src,
		dirty:       d("dirty_sessions"),
		marks:       d("marks"),
		lost:        d("marks_lost_total"),
		conns:       d("store_connections"),
		parked:      d("parked_connections"),
		unknown:     d("unknown_calls"),
		breaker:     d("breaker_state"),
		ramp:        d("ramp_ratio"),
		queued:      d("mirror_queue_operations"),
		queuedBytes: d("mirror_queue_bytes"),
		lag:         d("mirror_lag_seconds"),
		epoch:       d("epoch"),
		revision:    d("flag_revision"),
		contact:     d("flag_last_contact_timestamp_seconds"),
		tombs:       d("tombstones"),
		bypass:      d("bypass_total"),
		recompared:  d("recompared_sessions_total"),
	})
}

// descs makes what a collector describes, from the catalogue.
func descs(migration string) func(name string) *prometheus.Desc {
	return func(name string) *prometheus.Desc {
		s := series(name)
		return prometheus.NewDesc(s.Name, s.Help, s.labels(), prometheus.Labels{"migration": migration})
	}
}

// Describe implements prometheus.Collector.
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.dirty, s.marks, s.lost, s.conns, s.parked, s.unknown, s.breaker, s.ramp, s.queued, s.queuedBytes, s.lag, s.epoch, s.revision, s.contact, s.tombs, s.bypass, s.recompared} {
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
	ch <- prometheus.MustNewConstMetric(s.bypass, prometheus.CounterValue, float64(st.Bypassed))
	ch <- prometheus.MustNewConstMetric(s.recompared, prometheus.CounterValue, float64(st.Recompared-st.Distrusted), "same")
	ch <- prometheus.MustNewConstMetric(s.recompared, prometheus.CounterValue, float64(st.Distrusted), "behind")
	gauge(s.tombs, float64(st.Tombstones))
	for _, side := range []rules.Side{rules.Old, rules.New} {
		if open, parked, ok := s.layer.Connections(side); ok {
			gauge(s.conns, float64(open), side.String())
			gauge(s.parked, float64(parked), side.String())
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
