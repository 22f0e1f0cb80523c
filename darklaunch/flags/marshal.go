package flags

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// MarshalFlagd writes the definition as flagd's JSON, in an order that never
// changes: equal definitions give equal bytes. The definition is checked
// first; Parse of the result gives the same definition.
func (d Definition) MarshalFlagd() ([]byte, error) {
	if ps := d.problems(); len(ps) > 0 {
		return nil, &ProblemError{Problems: ps}
	}
	var b bytes.Buffer
	b.WriteString("{\n  \"$schema\": \"https://flagd.dev/schema/v0/flags.json\",\n  \"flags\": {\n")
	fmt.Fprintf(&b, "    %s: {\n      \"state\": \"ENABLED\",\n      \"variants\": {\n", text(Key))
	for i, p := range Ladder {
		fmt.Fprintf(&b, "        %s: %s%s\n", text(p.String()), text(p.String()), comma(i, len(Ladder)))
	}
	fmt.Fprintf(&b, "      },\n      \"defaultVariant\": %s,\n", text(d.Default.String()))
	b.WriteString("      \"targeting\": {\n        \"fractional\": [\n")
	if d.Bucketing != "" {
		fmt.Fprintf(&b, "          { \"cat\": [%s, { \"var\": \"targetingKey\" }] },\n", text(d.Bucketing))
	}
	for i, p := range Ladder {
		fmt.Fprintf(&b, "          [%s, %d]%s\n", text(p.String()), d.Weights[p], comma(i, len(Ladder)))
	}
	b.WriteString("        ]\n      }\n    }\n  },\n  \"metadata\": {\n")
	fmt.Fprintf(&b, "    \"migration\": %s,\n    \"epoch\": %d,\n    \"bucketing\": %s,\n", text(d.Migration), d.Epoch, text(d.Bucketing))
	fmt.Fprintf(&b, "    \"cutover_floor\": %d,\n    \"settled\": %d,\n    \"declared_down\": %s,\n    \"keep_old\": %t",
		d.CutoverFloor, d.Settled, text(d.DeclaredDown.String()), d.KeepOld)
	if len(d.Only) > 0 {
		fmt.Fprintf(&b, ",\n    \"only\": %s", text(strings.Join(d.Only, ",")))
	}
	for _, h := range d.pinned() {
		fmt.Fprintf(&b, ",\n    %s: %s", text(pinPrefix+h.String()), text(d.Pins[h].String()))
	}
	b.WriteString("\n  }\n}\n")
	return b.Bytes(), nil
}

func text(s string) string {
	b, _ := json.Marshal(s) // a string always has a JSON text
	return string(b)
}

func comma(i, n int) string {
	if i < n-1 {
		return ","
	}
	return ""
}
