package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
)

// FuzzEventRequest asks for events in every way that HTTP can carry: the answer is events or what is wrong, and never our
// own failure.
func FuzzEventRequest(f *testing.F) {
	f.Add("since=fake-0&agents=nyx,aria&events=chat:*&limit=3", "", "*/*")
	f.Add("agents=&events=%2a&events=thought", "fake-9", "text/event-stream;q=0.1, application/json;q=x")
	f.Add("agents=%ff&since=%00", "fake-18446744073709551616", ";q=,")
	f.Add("", "21", ";=,") // huma's own negotiation panicked
	h := newEventHost()
	for range 20 {
		h.publish(thought("x"))
	}
	w := start(f, "", h.services())
	f.Fuzz(func(t *testing.T, query, id, accept string) {
		if _, err := url.ParseRequestURI("http://x/?" + query); err != nil {
			t.Skip("it cannot be sent")
		}
		w := w.of(t)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			headers := append(as("alice"), "Accept", "application/json, "+accept, "Last-Event-ID", id)
			a, err := w.try(method, "/api/events?"+query, "", headers...)
			switch {
			case err != nil:
				t.Skip("it cannot be sent: ", err)
			case a.status != 200 && a.status != 400 && a.status != 404 && a.status != 422:
				t.Fatalf("%s %q, Last-Event-ID %q, Accept %q: %d %s", method, query, id, accept, a.status, a.body)
			case method == http.MethodGet && !json.Valid(a.body):
				t.Fatalf("%q is answered by %q", query, a.body)
			}
		}
	})
}
