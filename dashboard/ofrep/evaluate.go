package ofrep

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// maxBody is the largest question, in bytes: its one attribute that counts has 32.
const maxBody = 64 << 10

// evaluation is the answer for one flag (OFREP's openapi.yaml 0.2,
// serverEvaluationSuccess).
type evaluation struct {
	Key      string         `json:"key"`
	Reason   string         `json:"reason"`
	Variant  string         `json:"variant"`
	Value    string         `json:"value"`
	Metadata map[string]any `json:"metadata"`
}

// bulk is the answer for all flags, of which there is one.
type bulk struct {
	Flags []evaluation `json:"flags"`
}

// failure is why there is none; Key stands in answers for one flag, and Code in
// those to a bad question.
type failure struct {
	Key     string `json:"key,omitempty"`
	Code    string `json:"errorCode,omitempty"`
	Details string `json:"errorDetails"`
}

// OpenFeature's reasons and error codes, as far as they occur.
const (
	targetingMatch = "TARGETING_MATCH"
	static         = "STATIC"

	parseError          = "PARSE_ERROR"
	targetingKeyMissing = "TARGETING_KEY_MISSING"
	invalidContext      = "INVALID_CONTEXT"
	flagNotFound        = "FLAG_NOT_FOUND"
)

func (h *Handler) one(w http.ResponseWriter, r *http.Request) {
	key := r.PathValue("key")
	if key != flags.Key {
		// What was asked for is not repeated: who mixes up path and body sends an id.
		answer(w, http.StatusNotFound, failure{Key: flags.Key, Code: flagNotFound, Details: "the only flag is " + flags.Key})
		return
	}
	hash, no := question(w, r)
	if no != nil {
		no.Key = key
		answer(w, http.StatusBadRequest, no)
		return
	}
	s := h.now()
	if s == nil || s.snap == nil {
		notYet(w)
		return
	}
	answer(w, http.StatusOK, s.evaluate(hash))
}

func (h *Handler) all(w http.ResponseWriter, r *http.Request) {
	hash, no := question(w, r)
	if no != nil {
		answer(w, http.StatusBadRequest, no)
		return
	}
	s := h.now()
	if s == nil || s.snap == nil {
		notYet(w)
		return
	}
	body, _ := json.Marshal(bulk{Flags: []evaluation{s.evaluate(hash)}}) // texts, numbers and truths only
	tag := etag(body)
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache")
	if matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(body, '\n'))
}

// question reads the targeting key of a request.
func question(w http.ResponseWriter, r *http.Request) (h flags.Hash, no *failure) {
	var q struct {
		Context map[string]json.RawMessage `json:"context"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&q); err != nil {
		// The decoder's own words may repeat what was sent.
		return h, &failure{Code: parseError, Details: `the body cannot be read: accepted is {"context":{"targetingKey":"…"}}, 64 KiB at most`}
	}
	raw, there := q.Context["targetingKey"]
	var key string
	if there && json.Unmarshal(raw, &key) != nil {
		return h, &failure{Code: invalidContext, Details: "targetingKey is not a string"}
	}
	if key == "" {
		return h, &failure{Code: targetingKeyMissing, Details: "the targeting key is the session's keyed hash: docs/flags.md has the function that makes it"}
	}
	h, err := flags.ParseHash(key)
	if err != nil {
		return h, &failure{Code: invalidContext, Details: err.Error() + ": docs/flags.md has the function that makes it"}
	}
	return h, nil
}

// evaluate gives the position of a session. The reason is flagd's: something
// was looked at (TARGETING_MATCH), unless all sessions are alike.
func (s *set) evaluate(h flags.Hash) evaluation {
	d := s.snap.Decide(h)
	e := evaluation{Key: flags.Key, Reason: targetingMatch, Variant: d.Position.String(), Value: d.Position.String(), Metadata: map[string]any{}}
	if s.same {
		e.Reason = static
	}
	for k, v := range s.meta {
		e.Metadata[k] = v
	}
	e.Metadata[flags.MetaBucket] = d.Bucket
	e.Metadata[flags.MetaStage] = d.Position.Stage()
	e.Metadata[flags.MetaPinned] = d.Pinned
	return e
}

// metadata is the flag set's own, as flagd gives it with each answer, without
// the pins: they name other sessions.
func metadata(d *flags.Definition) map[string]any {
	return map[string]any{
		flags.MetaMigration: d.Migration,
		flags.MetaEpoch:     d.Epoch,
		flags.MetaFloor:     d.CutoverFloor,
		flags.MetaKeepOld:   d.KeepOld,
		flags.MetaDown:      d.DeclaredDown.String(),
		flags.MetaSettled:   d.Settled,
		"bucketing":         d.Bucketing,
	}
}

// matches tells whether If-None-Match names a tag (RFC 9110, 13.1.2: compared
// as weak ones are).
func matches(header, tag string) bool {
	return slices.ContainsFunc(strings.Split(header, ","), func(t string) bool {
		t = strings.TrimSpace(t)
		return t == "*" || strings.TrimPrefix(t, "W/") == tag
	})
}

func notYet(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	answer(w, http.StatusServiceUnavailable, failure{Details: "no revision is published yet"})
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(v)
}
