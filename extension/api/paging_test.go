package api_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

var linkForm = regexp.MustCompile(`<([^>]*)>; rel="([a-z]+)"`)

// linksOf returns what a Link header leads to.
func linksOf(a answer) map[string]string {
	out := map[string]string{}
	for _, m := range linkForm.FindAllStringSubmatch(a.header.Get("Link"), -1) {
		out[m[2]] = m[1]
	}
	return out
}

// TestLinksLeadThroughLists follows the links of every list to its end.
func TestLinksLeadThroughLists(t *testing.T) {
	w := start(t, "", realHost(t))
	alice := as("alice")
	for i := range 3 {
		body := fmt.Sprintf(`{"agentId":"nyx","conversationId":"c%d","message":"Hello!"}`, i)
		if a := w.do("POST", "/api/chat/send", body, alice...); a.status != 200 {
			t.Fatalf("send: %d %s", a.status, a.body)
		}
	}
	for path, kept := range map[string]string{
		"/api/agents?limit=1&status=running":                   "status=running",
		conversationsURL + "?limit=1&agentId=nyx&archived=any": "agentId=nyx&archived=any",
		"/api/runs?status=completed&limit=1":                   "limit=1&status=completed",
	} {
		pages := 1
		for next := linksOf(w.do("GET", path, "", alice...))["next"]; next != ""; pages++ {
			a := w.do("GET", next, "", alice...)
			if a.status != 200 || !strings.Contains(next, kept) || pages > 3 {
				t.Fatalf("%s leads to %s: %d %s", path, next, a.status, a.body)
			}
			next = linksOf(a)["next"]
		}
		if want := 3; pages != want && !strings.HasPrefix(path, "/api/agents") || pages < 2 {
			t.Errorf("%s has %d pages, want %d", path, pages, want)
		}
	}
}

func TestLinksLeadThroughMessages(t *testing.T) {
	w := start(t, "", realHost(t))
	alice := as("alice")
	const one = conversationsURL + "/c"
	var messages []string
	for range 2 {
		var sent struct{ Message, Reply schema.Message }
		w.do("POST", "/api/chat/send", `{"agentId":"nyx","conversationId":"c","message":"Hello!"}`, alice...).decode(t, &sent)
		messages = append(messages, sent.Message.ID, sent.Reply.ID)
	}
	read := func(path string, want ...string) map[string]string {
		t.Helper()
		var c schema.Conversation
		a := w.do("GET", path, "", alice...)
		a.decode(t, &c)
		var got []string
		for _, m := range c.Messages {
			got = append(got, m.ID)
		}
		if a.status != 200 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("GET %s = %d %v, want %v", path, a.status, got, want)
		}
		return linksOf(a)
	}
	links := read(one+"?limit=3", messages[1:]...)
	if links["prev"] != "" {
		t.Errorf("newer than the newest: %v", links)
	}
	links = read(links["next"], messages[0])
	if links["next"] != "" {
		t.Errorf("older than the oldest: %v", links)
	}
	read(links["prev"], messages[1:]...)
	links = read(one+"?limit=2&since="+messages[0], messages[1:3]...)
	links = read(links["prev"], messages[3])
	read(links["next"], messages[1:3]...)
	read(one+"?since="+messages[3], []string{}...)
	if a := w.do("GET", one+"?since=msg_never", "", alice...); !strings.Contains(string(a.body), "there is no message") {
		t.Errorf("%s", a.body)
	}
	p := w.do("GET", one+"?since="+messages[0]+"&cursor=x", "", alice...).problem(t, 422, schema.CodeInvalidArgument)
	if len(p.Errors) != 1 || p.Errors[0].Location != "query.since" {
		t.Errorf("since and cursor: %+v", p)
	}
}
