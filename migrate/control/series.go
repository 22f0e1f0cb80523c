package control

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/evidence"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

const (
	pointEvery = 2 * time.Second
	// pointsMost is an hour, some 500 KB; Prometheus keeps more.
	pointsMost = int(time.Hour / pointEvery)
)

// sample is what one point is made of: what the fleet has seen since the last
// one, and how its agents are now.
type sample struct {
	seen    evidence.Evidence
	seconds float64 // that it is over
	marks   int64
	queued  int64
	lag     time.Duration // of the agent that lags most
}

func (x *sample) rate(n uint64) float64 { return float64(n) / x.seconds }

// column is one line of the charts.
type column struct {
	name string
	of   func(*sample) float64 // NaN: there is nothing to say
}

// columns are what a point holds, in their order: rates a second, seconds, and
// what stands at that moment.
var columns = makeColumns()

func makeColumns() (cs []column) {
	rate := func(name string, of func(*evidence.Evidence) uint64) {
		cs = append(cs, column{name, func(x *sample) float64 { return x.rate(of(&x.seen)) }})
	}
	for _, p := range position.All() {
		rate("requests_"+underscored(p.String()), func(e *evidence.Evidence) uint64 { return e.Positions[p] })
	}
	rate("requests_failed", func(e *evidence.Evidence) uint64 { _, failed := e.Asked(); return failed })
	for _, side := range []rules.Side{rules.Old, rules.New} {
		for _, class := range []darklaunch.Class{darklaunch.Read, darklaunch.Write} {
			for _, q := range []struct {
				name string
				q    float64
			}{{"p50", 0.5}, {"p99", 0.99}} {
				cs = append(cs, column{side.String() + "_" + string(class) + "_" + q.name, func(x *sample) float64 {
					took := x.seen.Took(side, class)
					if took.Count() == 0 {
						return math.NaN()
					}
					return took.Quantile(q.q).Seconds()
				}})
			}
		}
	}
	for _, class := range []string{"missing_new", "missing_old", "value", "flags", "expiry", "old_regressed"} {
		rate("divergence_"+class, func(e *evidence.Evidence) uint64 { return e.Diverged(class) })
	}
	rate("compared", func(e *evidence.Evidence) uint64 { all, _ := e.Compared(); return all })
	rate("fallbacks", (*evidence.Evidence).FellBack)
	cs = append(cs,
		column{"marks", func(x *sample) float64 { return float64(x.marks) }},
		column{"mirror_queued", func(x *sample) float64 { return float64(x.queued) }},
		column{"mirror_lag", func(x *sample) float64 { return x.lag.Seconds() }})
	rate("mirror_dropped", func(e *evidence.Evidence) uint64 { return e.Dropped })
	for _, side := range []rules.Side{rules.Old, rules.New} {
		rate(side.String()+"_errors", func(e *evidence.Evidence) uint64 { return e.Errors[side] + e.Timeouts[side] })
	}
	return cs
}

func underscored(name string) string {
	b := []byte(name)
	for i := range b {
		if b[i] == '-' {
			b[i] = '_'
		}
	}
	return string(b)
}

// point is one row.
type point struct {
	at     int64 // unix milliseconds
	values []float64
}

// MarshalJSON writes the row as an object, with t and a number or null for each
// column.
func (p point) MarshalJSON() ([]byte, error) {
	out := strconv.AppendInt([]byte(`{"t":`), p.at, 10)
	for i, c := range columns {
		out = append(out, `,"`...)
		out = append(out, c.name...)
		out = append(out, `":`...)
		out = appendNumber(out, p.values[i])
	}
	return append(out, '}'), nil
}

func appendNumber(out []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(out, "null"...)
	}
	return strconv.AppendFloat(out, v, 'g', 6, 64)
}

// series is the last hour of this server's time as the one that leads.
type series struct {
	mu   sync.Mutex // guards what follows
	ring []point    // the oldest is at next, once it is full
	next int
}

func newSeries() *series { return &series{} }

func (s *series) add(p point) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) < pointsMost {
		s.ring = append(s.ring, p)
		return
	}
	s.ring[s.next] = p
	s.next = (s.next + 1) % pointsMost
}

// all are the points, the oldest first.
func (s *series) all() []point {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(append([]point{}, s.ring[s.next:]...), s.ring[:s.next]...)
}

func (s *series) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ring, s.next = nil, 0
}

// keepSeries adds a point every two seconds, while this server leads.
func (s *Server) keepSeries(lead context.Context) {
	s.planner.witness.sample(time.Now())
	for tick := time.NewTicker(pointEvery); ; {
		select {
		case now := <-tick.C:
			x := s.planner.witness.sample(now)
			p := point{at: now.UnixMilli(), values: make([]float64, len(columns))}
			for i, c := range columns {
				p.values[i] = c.of(x)
			}
			s.series.add(p)
			data, _ := json.Marshal(p)
			s.screens.tell(event{"point", data})
		case <-lead.Done():
			tick.Stop()
			s.series.clear() // it would grow old
			return
		}
	}
}

// Series is the answer to GET /v1/series: the last hour, a column a name; "t" is
// unix milliseconds. Nothing was seen where there is null.
type Series struct {
	EveryMS int64                      `json:"every_ms"`
	Columns map[string]json.RawMessage `json:"columns"`
}

func (s *Server) seriesNow(w http.ResponseWriter, r *http.Request) {
	ps := s.series.all()
	if text := r.URL.Query().Get("last"); text != "" {
		last, err := strconv.Atoi(text)
		if err != nil || last < 1 {
			fail(w, http.StatusBadRequest, "last is how many seconds are wanted: accepted is a number from 1")
			return
		}
		ps = ps[len(ps)-min(len(ps), last/int(pointEvery.Seconds())):]
	}
	list := func(one func([]byte, point) []byte) json.RawMessage {
		out := []byte{'['}
		for i, p := range ps {
			if i > 0 {
				out = append(out, ',')
			}
			out = one(out, p)
		}
		return append(out, ']')
	}
	a := Series{EveryMS: pointEvery.Milliseconds(), Columns: map[string]json.RawMessage{
		"t": list(func(out []byte, p point) []byte { return strconv.AppendInt(out, p.at, 10) }),
	}}
	for i, c := range columns {
		a.Columns[c.name] = list(func(out []byte, p point) []byte { return appendNumber(out, p.values[i]) })
	}
	answer(w, a)
}
