package redis_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// certificate makes one that is its own authority, for 127.0.0.1.
func certificate(t *testing.T) redis.TLSFiles {
	t.Helper()
	dir := t.TempDir()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"redis.test"},
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	f := redis.TLSFiles{CAFile: filepath.Join(dir, "c.pem"), CertFile: filepath.Join(dir, "c.pem"), KeyFile: filepath.Join(dir, "k.pem")}
	for name, b := range map[string]*pem.Block{f.CertFile: {Type: "CERTIFICATE", Bytes: der}, f.KeyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// TestLeastRights runs the whole suite as a user who may do no more than
// ACLRule says, over TLS.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	f := certificate(t)
	srv := backendtest.Redis(t, "--tls-port", "0", "--tls-cert-file", f.CertFile, "--tls-key-file", f.KeyFile, "--tls-ca-cert-file", f.CAFile)
	_, port, _ := strings.Cut(backendtest.FreeAddr(t), ":")
	admin := direct(t, srv.Addr())
	ctx := t.Context()
	if err := admin.ConfigSet(ctx, "tls-port", port).Err(); err != nil {
		t.Fatal(err)
	}
	set := append([]any{"acl", "setuser", "app", "on", ">" + thePass}, words(redis.ACLRule("test", []string{"bt-"}))...)
	if err := admin.Do(ctx, set...).Err(); err != nil {
		t.Fatal(err)
	}
	c, err := f.Config()
	if err != nil {
		t.Fatal(err)
	}
	o := redis.Options{Addr: "127.0.0.1:" + port, TLS: c, Username: "app", Password: thePass, Migration: "test"}
	for _, o.KeepFlags = range []bool{false, true} {
		t.Run(fmt.Sprint("flags=", o.KeepFlags), func(t *testing.T) {
			backendtest.Run(t, func(*testing.T) backends.Store { return redis.New(patient(o)) }, backendtest.Options{})
		})
	}
	s := open(t, o)
	var r *redis.ReplyError
	if _, _, err := s.Get(ctx, key("other:a")); !errors.As(err, &r) || r.Code != "NOPERM" {
		t.Errorf("another's key: got %v, want NOPERM", err)
	}
	if err := s.Set(ctx, session("bt-a", "x")); err != nil {
		t.Fatal(err)
	}
	p := hold(t, o.Addr, "\x17\x03\x03\x02") // a record of 512 bytes and more: see below
	o.Addr = p.Addr().String()
	slow := open(t, o)
	if err := slow.Set(ctx, session("bt-a", "before")); err != nil {
		t.Fatal(err)
	}
	u := unsure(t, func(ctx context.Context) error { return slow.Set(ctx, session("bt-a", strings.Repeat("x", 600))) })
	if err := u.Settle(ctx); err != nil {
		t.Error(err)
	}
	p.release()
	if got, _, err := s.Get(ctx, key("bt-a")); err != nil || string(got.Data) != "before" {
		t.Errorf("got %.10q, %v: a settled call has arrived", got.Data, err)
	}
}

func words(s string) (list []any) {
	for _, w := range strings.Fields(s) {
		list = append(list, w)
	}
	return list
}

// TestTLSRefuses: a stranger's certificate is no server of ours.
func TestTLSRefuses(t *testing.T) {
	t.Parallel()
	f, other := certificate(t), certificate(t)
	srv := backendtest.Redis(t, "--tls-port", "0", "--tls-cert-file", f.CertFile, "--tls-key-file", f.KeyFile, "--tls-ca-cert-file", f.CAFile)
	_, port, _ := strings.Cut(backendtest.FreeAddr(t), ":")
	if err := direct(t, srv.Addr()).ConfigSet(t.Context(), "tls-port", port).Err(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		files redis.TLSFiles
		ok    bool
	}{
		"right":          {f, true},
		"by its name":    {redis.TLSFiles{CAFile: f.CAFile, CertFile: f.CertFile, KeyFile: f.KeyFile, ServerName: "redis.test"}, true},
		"another name":   {redis.TLSFiles{CAFile: f.CAFile, CertFile: f.CertFile, KeyFile: f.KeyFile, ServerName: "other.test"}, false},
		"another issuer": {redis.TLSFiles{CAFile: other.CAFile, CertFile: f.CertFile, KeyFile: f.KeyFile}, false},
		"no certificate": {redis.TLSFiles{CAFile: f.CAFile}, false},
	} {
		c, err := tt.files.Config()
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, redis.Options{Addr: "127.0.0.1:" + port, TLS: c})
		err = s.Set(t.Context(), session("a", "x"))
		_, _, readErr := s.Get(t.Context(), key("a"))
		if _, unknown := backends.IsUnknown(err); (err == nil) != tt.ok || (readErr == nil) != tt.ok || unknown {
			t.Errorf("%s: set %v, get %v", name, err, readErr)
		}
	}
	for _, bad := range []redis.TLSFiles{{CAFile: "missing"}, {CertFile: f.CertFile}, {CAFile: f.KeyFile}, {CertFile: f.CertFile, KeyFile: other.KeyFile}} {
		if _, err := bad.Config(); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// TestSecureSets: TLS, passwords and least rights with Sentinels and in a cluster.
func TestSecureSets(t *testing.T) {
	t.Parallel()
	rule := redis.ACLRule("test", []string{"bt-"})
	user := append([]string{"--masteruser", "default", "--masterauth", thePass, "--requirepass", thePass, "--user", "app", "on", ">" + thePass},
		strings.Fields(rule)...)
	for name, tt := range map[string]struct {
		start   func(context.Context, localserver.SetOptions) (*localserver.Set, error)
		set     localserver.SetOptions
		options func(*localserver.Set) redis.Options
		not     map[string]string
	}{
		"sentinel": {localserver.RedisSentinel, localserver.SetOptions{Args: user, Sentinel: []string{
			"sentinel auth-pass " + localserver.Master + " " + thePass,
			"user watch on >" + thePass + " allchannels -@all +auth +hello +ping +sentinel|master +sentinel|get-master-addr-by-name"}},
			sentinelOptions, nil},
		"cluster": {localserver.RedisCluster, localserver.SetOptions{Args: user}, clusterOptions, apart},
	} {
		t.Run(name, func(t *testing.T) {
			tt.set.CLI = []string{"--no-auth-warning", "-a", thePass}
			o := tt.options(startSet(t, tt.start, tt.set))
			o.Username, o.Password = "app", thePass
			o.Sentinel.Username, o.Sentinel.Password = "watch", thePass
			o.KeepFlags = true
			backendtest.Run(t, func(*testing.T) backends.Store { return redis.New(patient(o)) },
				backendtest.Options{Deviations: tt.not, MaxConnections: 200})
			o.Password = "wrong"
			s := open(t, o)
			if err := s.Set(t.Context(), session("bt-a", "x")); err == nil || strings.Contains(err.Error(), thePass) {
				t.Errorf("with a wrong password: %v", err)
			}
		})
	}
}

// TestManagedServer has no CONFIG and no CLIENT, as some hosts': calls work,
// and what cannot be settled is said and stays unknown.
func TestManagedServer(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--rename-command", "CLIENT", "", "--rename-command", "CONFIG", ""}, {"--user", "default", "on", "nopass", "~*", "+@all", "-client", "-config"}} {
		srv := backendtest.Redis(t, args...)
		p := hold(t, srv.Addr(), "HELD")
		s := open(t, redis.Options{Addr: p.Addr().String()})
		if err := s.Set(t.Context(), session("a", "x")); err != nil {
			t.Fatal(err)
		}
		if h, err := s.Health(t.Context()); err != nil || h.RunID == "" || h.Note != "" {
			t.Errorf("health: %+v, %v", h, err)
		}
		u := timeOut(t, s, "a")
		if u.Conn == "" {
			t.Error("an unknown call without a name: a mark of it would say that there is none")
		}
		for _, settle := range []func() error{func() error { return u.Settle(t.Context()) }, func() error { return s.Settle(t.Context(), "id:1", u.RunID) }} {
			if err := settle(); err == nil || !strings.Contains(err.Error(), "CLIENT") || !strings.Contains(err.Error(), "stays unknown") {
				t.Errorf("settle: got %v", err)
			}
		}
		select {
		case <-u.Done():
			t.Error("the doubt has ended")
		default:
		}
		p.release()
		select {
		case <-u.Done():
		case <-time.After(30 * time.Second):
			t.Error("the late answer does not end the doubt")
		}
	}
}
