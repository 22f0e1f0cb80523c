package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestSecretFiles: each key that ends in _file, and is no certificate, is a
// secret; and a configuration that is written out has none of their paths but
// those that are no secret themselves.
func TestSecretFiles(t *testing.T) {
	c := Default()
	c.Old.Redis, c.New.MySQL = &Redis{}, &MySQL{}
	c.Server.Webhooks = []Webhook{{URL: "https://hooks.example"}}
	var want []string
	var fill func(v reflect.Value, key string)
	fill = func(v reflect.Value, key string) {
		switch {
		case v.Kind() == reflect.Pointer && !v.IsNil():
			fill(v.Elem(), key)
		case v.Kind() == reflect.Slice:
			for i := range v.Len() {
				fill(v.Index(i), key)
			}
		case v.Type() == reflect.TypeFor[SecretFile]():
			want = append(want, "/secret/"+string(rune('a'+len(want))))
			v.Set(reflect.ValueOf(SecretFile{path: want[len(want)-1]}))
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() {
					fill(v.Field(i), f.Tag.Get("yaml"))
				}
			}
		}
	}
	fill(reflect.ValueOf(&c).Elem(), "")
	if len(want) < 8 {
		t.Fatalf("only %d secrets in a configuration", len(want))
	}
	got := c.SecretFiles()
	for _, w := range append(want, c.Agent.KeyFile) {
		if !slices.Contains(got, w) {
			t.Errorf("%s is not among %v", w, got)
		}
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "/secret/") || strings.Count(string(text), "<secret>") != len(want) || !strings.Contains(string(text), "copy: 10s") || !strings.Contains(string(text), "64MiB") {
		t.Errorf("written as\n%s", text)
	}
}
