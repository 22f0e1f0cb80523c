package config

import (
	"reflect"
	"strings"
)

// MarshalYAML writes the form that is read.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// MarshalYAML writes the form that is read.
func (s Size) MarshalYAML() (any, error) { return s.String(), nil }

// SecretFiles are the paths of all files that hold secrets: those of SecretFile,
// and keys that other programs read by their path. They are not to be printed.
func (c *Config) SecretFiles() (paths []string) {
	var walk func(v reflect.Value, key string)
	walk = func(v reflect.Value, key string) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem(), key)
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i), key)
			}
		case reflect.Struct:
			if s, ok := v.Interface().(SecretFile); ok {
				if s.Set() {
					paths = append(paths, s.Path())
				}
				return
			}
			for i := range v.NumField() {
				walk(v.Field(i), v.Type().Field(i).Tag.Get("yaml"))
			}
		case reflect.String:
			if strings.HasSuffix(key, "_file") && key != "ca_file" && key != "cert_file" && key != "client_ca_file" && v.String() != "" {
				paths = append(paths, v.String())
			}
		}
	}
	walk(reflect.ValueOf(c), "")
	return paths
}
