//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// store has the agent nyx remember something, and returns the answer.
func (s *server) store(c *http.Client, content string, more map[string]any) answer {
	s.t.Helper()
	body := map[string]any{"agentId": "nyx", "content": content}
	for k, v := range more {
		body[k] = v
	}
	return s.do(c, http.StatusCreated, http.MethodPost, "/api/memory/store", body)
}

// found returns the contents that a search finds, in their order.
func (s *server) found(c *http.Client, query string) []string {
	s.t.Helper()
	a := s.do(c, http.StatusOK, http.MethodGet, "/api/memory/search?"+query, nil)
	results, ok := a.json["results"].([]any)
	if !ok {
		s.t.Fatalf("search %s: %s", query, a.raw)
	}
	contents := []string{}
	for _, r := range results {
		contents = append(contents, r.(map[string]any)["memory"].(map[string]any)["content"].(string))
	}
	return contents
}

// TestMemoriesAreFiltered by tags, metadata and importance, before and after kill -9 of the host.
func TestMemoriesAreFiltered(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "--set", "extensions.api.port=0")
	c := newClient(t)
	apple := s.store(c, "apple one", map[string]any{"tags": []string{"red", "sweet & sour"}, "importance": 0.9, "metadata": map[string]any{"n": 1, "kind": "fruit"}})
	if apple.json["importance"] != 0.9 || fmt.Sprint(apple.json["tags"]) != "[red sweet & sour]" || apple.json["expiresAt"] != nil {
		t.Errorf("stored as %s", apple.raw)
	}
	s.store(c, "apple two", map[string]any{"tags": []string{"red"}, "metadata": map[string]any{"n": 1.5, "ok": true}})
	s.store(c, "pear three", map[string]any{"importance": 0, "metadata": map[string]any{"n": "1", "a.b": "dotted", "deep": map[string]any{"n": 1}}})
	if plain := s.store(c, "pear four", nil); plain.json["importance"] != 0.5 || string(plain.raw[strings.Index(string(plain.raw), `"tags"`):][:9]) != `"tags":[]` {
		t.Errorf("without particulars it is %s", plain.raw)
	}
	check := func() {
		t.Helper()
		for query, want := range map[string][]string{
			"tag=red":                             {"apple two", "apple one"},
			"tag=red&tag=sweet+%26+sour":          {"apple one"},
			"tag=re":                              {},
			"q=apple&tag=red&minImportance=0.5":   {"apple one", "apple two"},
			"minImportance=0.5":                   {"pear four", "apple two", "apple one"},
			"metadata.n=1":                        {"pear three", "apple one"},
			"metadata.n=1.50&agentId=nyx":         {"apple two"},
			"metadata.ok=true":                    {"apple two"},
			"metadata.a.b=dotted":                 {"pear three"},
			"metadata.deep=1":                     {},
			"metadata.n=1&metadata.kind=fruit":    {"apple one"},
			"q=pear&tag=red":                      {},
			"q=apple&agentId=aria":                {},
			"agentId=nyx&limit=1":                 {"pear four"},
			"q=pear&metadata.n=1&minImportance=0": {"pear three"},
		} {
			if got := s.found(c, query); !slices.Equal(got, want) {
				t.Errorf("search %s: %q, want %q", query, got, want)
			}
		}
	}
	check()
	s.kill9()
	s = start(t, data, "--set", "extensions.api.port=0")
	c = newClient(t)
	check()
	if again := s.do(c, http.StatusOK, http.MethodGet, apple.Header.Get("Location"), nil); string(again.raw) != string(apple.raw) {
		t.Errorf("after a restart it is %s, was %s", again.raw, apple.raw)
	}
	s.do(c, http.StatusNoContent, http.MethodDelete, "/api/memory/"+apple.json["id"].(string), nil)
	if got := s.found(c, "tag=sweet+%26+sour"); len(got) != 0 {
		t.Errorf("a deleted one is found: %q", got)
	}
}

// TestImportanceWeighsALittle: the most important memory counts a tenth more than one that is not said to be, the least
// important one a tenth less. So it decides between those that fit alike, and not against one that fits much better.
func TestImportanceWeighsALittle(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	c := newClient(t)
	s.store(c, "the heron first", map[string]any{"importance": 1})
	s.store(c, "the heron second", nil)
	s.store(c, "the heron third", map[string]any{"importance": 0})
	s.store(c, "heron egret", map[string]any{"importance": 0})
	a := s.do(c, http.StatusOK, http.MethodGet, "/api/memory/search?q=heron&agentId=nyx", nil)
	var order []string
	score := map[string]float64{}
	for _, r := range a.json["results"].([]any) {
		hit := r.(map[string]any)
		content := hit["memory"].(map[string]any)["content"].(string)
		order, score[content] = append(order, content), hit["score"].(float64)
	}
	if got := s.found(c, "q=heron+egret&agentId=nyx"); len(got) != 4 || got[0] != "heron egret" {
		t.Errorf("the best match is not first: %q", got)
	}
	want := []string{"the heron first", "the heron second", "the heron third"}
	if got := slices.DeleteFunc(order, func(content string) bool { return content == "heron egret" }); !slices.Equal(got, want) {
		t.Errorf("the order is %q, want %q", got, want)
	}
	for i, weight := range []float64{1.1, 1, 0.9} {
		if got := score[want[i]] / score[want[1]]; got < weight-0.001 || got > weight+0.001 {
			t.Errorf("%q counts %v times as much as the usual one, want %v", want[i], got, weight)
		}
	}
}

// TestAnExpiredMemoryIsGone: it is not found, not listed, and 404 by its id, also by a host that was down when it expired.
func TestAnExpiredMemoryIsGone(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "--set", "extensions.api.port=0")
	c := newClient(t)
	s.store(c, "the bittern stays", map[string]any{"tags": []string{"bird"}})
	s.store(c, "the bittern stays long", map[string]any{"tags": []string{"bird"}, "expiresAt": "9999-12-31T23:59:59Z"})
	forget := func(in time.Duration) (answer, func() error) {
		at := time.Now().Add(in)
		m := s.store(c, "the bittern goes", map[string]any{"tags": []string{"bird"}, "expiresAt": at.Format(time.RFC3339Nano)})
		if m.json["expiresAt"] == nil {
			t.Fatalf("stored as %s", m.raw)
		}
		return m, func() error {
			if now := time.Now(); now.Before(at) {
				return fmt.Errorf("it is %v too early", at.Sub(now))
			}
			return nil
		}
	}
	want := func(places ...string) {
		t.Helper()
		for _, query := range []string{"q=bittern", "q=bittern&tag=bird", "tag=bird", "agentId=nyx"} {
			if got := s.found(c, query); len(got) != 2 || slices.Contains(got, "the bittern goes") {
				t.Errorf("search %s: %q", query, got)
			}
		}
		for _, place := range places {
			if a := s.do(c, http.StatusNotFound, http.MethodGet, place, nil); a.code() != "not_found" {
				t.Errorf("GET %s: %s", place, a.raw)
			}
			s.do(c, http.StatusNotFound, http.MethodDelete, place, nil)
		}
	}
	places := func(m answer) []string {
		return []string{m.Header.Get("Location"), "/api/memory/" + url.PathEscape(m.json["id"].(string))}
	}
	later, _ := forget(time.Hour)
	s.do(c, http.StatusOK, http.MethodGet, later.Header.Get("Location"), nil)
	if got := s.found(c, "q=bittern&tag=bird"); len(got) != 3 {
		t.Errorf("before its time %q are found", got)
	}
	s.do(c, http.StatusNoContent, http.MethodDelete, later.Header.Get("Location"), nil)

	soon, expired := forget(3 * time.Second)
	eventually(t, "the end of a memory", expired)
	want(places(soon)...)
	inBetween, expired := forget(3 * time.Second)
	s.kill9()
	eventually(t, "the end of a memory", expired)
	s = start(t, data, "--set", "extensions.api.port=0")
	c = newClient(t)
	want(append(places(soon), places(inBetween)...)...)
	s.do(c, http.StatusCreated, http.MethodPost, "/api/memory/store", map[string]any{"agentId": "aria", "content": "another"}) // deletes what has expired
	want(append(places(soon), places(inBetween)...)...)
}

// TestBadMemoriesAreRefused, each with the place of what is wrong.
func TestBadMemoriesAreRefused(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	c := newClient(t)
	many := slices.Repeat([]string{"x"}, 65)
	for name, b := range map[string]struct {
		more  map[string]any
		place string
	}{
		"importance above":    {map[string]any{"importance": 1.01}, "body.importance"},
		"importance below":    {map[string]any{"importance": -0.01}, "body.importance"},
		"importance text":     {map[string]any{"importance": "high"}, "body.importance"},
		"tags text":           {map[string]any{"tags": "red"}, "body.tags"},
		"tags of numbers":     {map[string]any{"tags": []any{"a", 1}}, "body.tags[1]"},
		"empty tag":           {map[string]any{"tags": []string{"a", ""}}, "body.tags[1]"},
		"too many tags":       {map[string]any{"tags": many}, "body.tags"},
		"long tag":            {map[string]any{"tags": []string{strings.Repeat("x", 10_000)}}, "body.tags[0]"},
		"expired":             {map[string]any{"expiresAt": "2001-01-01T00:00:00Z"}, "body.expiresAt"},
		"expiry is no time":   {map[string]any{"expiresAt": "tomorrow"}, "body.expiresAt"},
		"expiry without zone": {map[string]any{"expiresAt": "2999-01-01T00:00:00"}, "body.expiresAt"},
		"expiry number":       {map[string]any{"expiresAt": 4102444800}, "body.expiresAt"},
		"misspelt":            {map[string]any{"importence": 1}, "body.importence"},
	} {
		body := map[string]any{"agentId": "nyx", "content": "x"}
		for k, v := range b.more {
			body[k] = v
		}
		a, err := s.try(c, s.token, http.MethodPost, "/api/memory/store", body)
		if err != nil {
			t.Fatal(err)
		}
		s.wantField(name, a, b.place)
	}
	for query, place := range map[string]string{
		"":                                    "query.q",
		"q=":                                  "query.q",
		"q=x&minImportance=2":                 "query.minImportance",
		"q=x&minImportance=high":              "query.minImportance",
		"q=x&minImportance=NaN":               "query.minImportance",
		"q=x&limit=0":                         "query.limit",
		"q=x&limit=201":                       "query.limit",
		"q=x&tag=a&tag=":                      "query.tag[1]",
		"q=x&minImportance=0x1p-1":            "query.minImportance",
		"q=x&minImportance=":                  "query.minImportance",
		"q=x&metadata.=1":                     "query.metadata.",
		"q=x&" + strings.Repeat("tag=x&", 65): "query.tag",
		"q=x&agentId=a%20b":                   "query.agentId",
	} {
		a, err := s.try(c, s.token, http.MethodGet, "/api/memory/search?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.wantField(query, a, place)
	}
	if got := s.found(c, "agentId=nyx"); len(got) != 0 {
		t.Errorf("of what was refused %q was stored", got)
	}
}

// wantField fails the test unless an answer is a 422 that names the place of what is wrong.
func (s *server) wantField(name string, a answer, place string) {
	s.t.Helper()
	errs, _ := a.json["errors"].([]any)
	named := slices.ContainsFunc(errs, func(e any) bool { return e.(map[string]any)["location"] == place })
	if a.StatusCode != http.StatusUnprocessableEntity || a.code() != "invalid_argument" || !named {
		s.t.Errorf("%.80s: %d %.400s, want a 422 that names %s", name, a.StatusCode, a.raw, place)
	}
}
