package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// UnsupportedCounts is how many commands were refused, by class.
func (m *Metrics) UnsupportedCounts() map[string]uint64 {
	out := map[string]uint64{}
	ch := make(chan prometheus.Metric)
	go func() { m.unsupported.Collect(ch); close(ch) }()
	for c := range ch {
		var one dto.Metric
		if c.Write(&one) != nil {
			continue
		}
		for _, l := range one.GetLabel() {
			if l.GetName() == "class" && one.GetCounter().GetValue() > 0 {
				out[l.GetValue()] = uint64(one.GetCounter().GetValue())
			}
		}
	}
	return out
}
