package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// page is a page of events as a client reads it.
type page struct {
	Events           []frame
	NextCursor, Head string
	Gap              *schema.Gap
}

// page reads one page of events.
func (w *world) page(t testing.TB, query, token string) page {
	t.Helper()
	a := w.do("GET", "/api/events"+query, "", as(token)...)
	var p page
	if a.status != 200 || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("GET /api/events%s = %d %s", query, a.status, a.body)
	}
	if a.decode(t, &p); p.Events == nil {
		t.Fatalf("no list of events in %s", a.body)
	}
	var raw struct{ Events []json.RawMessage }
	a.decode(t, &raw)
	for _, e := range raw.Events {
		checkFrame(t, e)
	}
	return p
}

// TestEventPages reads the log to its end.
func TestEventPages(t *testing.T) {
	h := newEventHost()
	w := start(t, "", h.services())
	if p := w.page(t, "", "alice"); len(p.Events) != 0 || p.NextCursor != "fake-0" || p.Head != "fake-0" || p.Gap != nil {
		t.Errorf("page of an empty log: %+v", p)
	}
	for i := range 500 {
		h.publish(thought(strconv.Itoa(i)), schema.Event{Type: schema.EventDelta, AgentID: "aria", Principal: "bob"})
	}
	for _, c := range []struct {
		query, token string
		events       int
	}{
		{"", "alice", 500}, {"&limit=200", "alice", 500}, {"&limit=1&events=reply", "alice", 0}, {"&events=thought&limit=7", "bob", 500},
		{"&agents=nyx", "bob", 500}, {"&events=chat:*", "bob", 500}, {"&limit=100", "bob", 1000},
	} {
		since, n, pages := "fake-0", 0, 0
		for ; ; pages++ {
			p := w.page(t, "?since="+since+c.query, c.token)
			n += len(p.Events)
			for _, e := range p.Events {
				if e.kind() == "agent:thought" && c.events == 500 && e.text("thought") != strconv.Itoa(n-len(p.Events)) && len(p.Events) == 1 {
					t.Errorf("%s: event %v at place %d", c.query, e, n)
				}
			}
			if since = p.NextCursor; since == p.Head {
				break
			}
			if len(p.Events) == 0 {
				t.Fatalf("%s: an empty page, and no end: %+v", c.query, p)
			}
		}
		if n != c.events || since != "fake-1000" {
			t.Errorf("%s for %s: %d events in %d pages up to %s, want %d", c.query, c.token, n, pages, since, c.events)
		}
	}
	if p := w.page(t, "", "alice"); len(p.Events) != 0 || p.NextCursor != "fake-1000" {
		t.Errorf("without since: %+v", p)
	}
}

// TestEventPageNeverWaits for an event that matches, and looks for one to the end of the log.
func TestEventPageNeverWaits(t *testing.T) {
	h := newEventHost()
	h.publish(make([]schema.Event, 5000)...)
	h.publish(thought("rare"))
	h.publish(make([]schema.Event, 5000)...)
	w := start(t, "", h.services())
	if p := w.page(t, "?events=thought&limit=1&since=fake-0", "alice"); len(p.Events) != 1 || p.NextCursor != "fake-5001" {
		t.Errorf("first page: %+v", p)
	}
	if p := w.page(t, "?events=thought&since=fake-5001", "alice"); len(p.Events) != 0 || p.NextCursor != p.Head || p.Head != "fake-10001" {
		t.Errorf("last page: %+v", p)
	}
}

func TestEventPageTellsOfAGap(t *testing.T) {
	h := newEventHost()
	for i := range 100 {
		h.publish(thought(strconv.Itoa(i)))
	}
	h.evict(51)
	w := start(t, "", h.services())
	for _, since := range []string{"fake-3", "another-99", "fake-1000"} {
		p := w.page(t, "?limit=10&since="+since, "alice")
		if p.Gap == nil || p.Gap.Requested != since || p.Gap.FirstAvailable != "fake-51" || p.Gap.Head != "fake-100" {
			t.Fatalf("gap: %+v", p)
		}
		if len(p.Events) != 10 || p.Events[0].text("id") != "fake-51" || p.NextCursor != "fake-60" {
			t.Errorf("behind the gap: %+v", p)
		}
	}
	h.evict(101)
	if p := w.page(t, "?since=fake-3", "alice"); p.Gap == nil || len(p.Events) != 0 || p.NextCursor != "fake-100" || p.Head != "fake-100" {
		t.Errorf("page of a log of which nothing is left: %+v", p)
	}
}

func TestBadEventRequests(t *testing.T) {
	w := start(t, "", newEventHost().services())
	for _, c := range []struct {
		query, header string
		location      string
	}{
		{"?since=x", "", "query.since"},
		{"?since=fake-01", "", "query.since"},
		{"?since=fake-1&since=fake-2", "", "query.since"},
		{"?since=fake-1", "nonsense", "header.Last-Event-ID"},
		{"?events=", "", "query.events"},
		{"?events=chat", "", "query.events"},
		{"?events=thought,,reply", "", "query.events"},
		{"?events=thought&events=nonsense", "", "query.events"},
		{"?agents=", "", "query.agents"},
		{"?agents=nyx,%20aria", "", "query.agents"},
		{"?event=thought", "", "query.event"},
		{"?limit=0", "", "query.limit"},
		{"?limit=", "", "query.limit"},
	} {
		for _, accept := range []string{"text/event-stream", "application/json"} {
			headers := append(as("alice"), "Accept", accept)
			if c.header != "" {
				headers = append(headers, "Last-Event-ID", c.header)
			}
			p := w.do("GET", "/api/events"+c.query, "", headers...).problem(t, 422, schema.CodeInvalidArgument)
			if len(p.Errors) == 0 || p.Errors[0].Location != c.location {
				t.Errorf("%s, Last-Event-ID %q: %+v", c.query, c.header, p.Errors)
			}
		}
	}
	stream := append(as("alice"), "Accept", "text/event-stream")
	w.do("GET", "/api/events?limit=10", "", stream...).problem(t, 422, schema.CodeInvalidArgument)
	w.do("GET", "/api/events?agents=nobody", "", stream...).problem(t, 404, schema.CodeNotFound)
	w.do("POST", "/api/events", "{}", stream...).problem(t, 405, schema.CodeMethodNotAllowed)
	many := "?agents=nyx"
	for i := range 256 {
		many += fmt.Sprintf(",a%d", i)
	}
	w.do("GET", "/api/events"+many, "", stream...).problem(t, 422, schema.CodeInvalidArgument)
}

// TestEventsAreNegotiated, for GET and for HEAD, which opens nothing.
func TestEventsAreNegotiated(t *testing.T) {
	w := start(t, "", newEventHost().services())
	for accept, want := range map[string]string{
		"*/*":                                 "application/json",
		"application/json":                    "application/json",
		"application/*":                       "application/json",
		"text/event-stream":                   "text/event-stream",
		"text/event-stream, */*":              "text/event-stream",
		"text/*":                              "text/event-stream",
		"application/json, text/event-stream": "application/json",
		"text/event-stream, application/json": "text/event-stream",
		"application/json;q=0.5, text/event-stream;q=0.9": "text/event-stream",
		"text/html, application/xml;q=0.9, */*;q=0.8":     "application/json",
		"text/html": "",
		"image/*":   "",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			req, err := http.NewRequest(method, "http://"+w.address+"/api/events", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", accept)
			req.Header.Set("Authorization", "Bearer alice")
			resp, err := w.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got := resp.Header.Get("Content-Type")
			if want == "" && (resp.StatusCode != http.StatusNotAcceptable || got != "application/problem+json") || want != "" && (resp.StatusCode != http.StatusOK || got != want) {
				t.Errorf("%s, Accept %s: %d %s, want %s", method, accept, resp.StatusCode, got, want)
			}
			if method == "HEAD" {
				if b, err := io.ReadAll(resp.Body); err != nil || len(b) > 0 {
					t.Errorf("HEAD has the body %q (%v)", b, err)
				}
			}
			resp.Body.Close()
		}
	}
	for _, path := range []string{"/api/agents", "/healthz"} { // huma's own negotiation panics on it
		if a := w.do("GET", path, "", append(as("alice"), "Accept", "application/json, ;=,")...); a.status != 200 {
			t.Errorf("GET %s with an odd Accept: %d", path, a.status)
		}
	}
	if a := w.do("GET", "/api/events", "", as("alice")...); a.header.Get("Content-Type") != "application/json" {
		t.Errorf("without Accept: %v", a.header)
	}
}
