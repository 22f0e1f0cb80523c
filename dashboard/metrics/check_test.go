package metrics

import (
	"strings"
	"testing"
)

// TestCheck: what an expression can have wrong.
func TestCheck(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{`sum by (stage) (crossfade_ramp_ratio{migration="$migration"}) > 0`, ""},
		{`histogram_quantile(0.9, sum by (le, store) (rate(crossfade_store_duration_seconds_bucket{class="$class"}[5m])))`, ""},
		{`max(up{instance="a"}) and on (instance) crossfade_epoch`, ""},
		{`crossfade_ramp_ration`, "crossfade_ramp_ration is not exported"},
		{`crossfade_store_duration_seconds`, "is not exported"},
		{`crossfade_epoch_bucket`, "is not exported"},
		{`crossfade_marks{side="old"}`, "no label side"},
		{`crossfade_marks{store="newer"}`, `never has store="newer"`},
		{`sum by (stag) (crossfade_ramp_ratio)`, "a label stag"},
		{`label_replace(crossfade_epoch, "x", "crossfade_nothing", "", "")`, ""},
	} {
		got := strings.Join(Check(tt.expr), "; ")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.expr, got, tt.want)
		}
	}
}
