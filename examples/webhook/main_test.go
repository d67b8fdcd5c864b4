package main

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is the one of the test vector of Standard Webhooks.
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func TestBlock(t *testing.T) {
	for _, c := range []struct{ name, block, at string }{
		{"sound", `{"url":"https://example.com/hooks","secret":"` + secret + `"}`, ""},
		{"no url", `{"secret":"` + secret + `"}`, ""},
		{"a path", `{"url":"/hooks","secret":"` + secret + `"}`, "/url"},
		{"another scheme", `{"url":"ftp://example.com/hooks","secret":"` + secret + `"}`, "/url"},
		{"no base64", `{"url":"https://example.com/hooks","secret":"whsec_?"}`, "/secret"},
		{"no prefix", `{"url":"https://example.com/hooks","secret":"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`, "/secret"},
		{"a short secret", `{"url":"https://example.com/hooks","secret":"whsec_MfKQ"}`, "/secret"},
		{"pauses", `{"url":"https://example.com/hooks","secret":"` + secret + `","retryMinMs":10,"retryMaxMs":9}`, "/retryMaxMs"},
		{"too many at once", `{"url":"https://example.com/hooks","secret":"` + secret + `","concurrency":65}`, "/concurrency"},
	} {
		problems := sdktest.Check(t, definition(), c.block)
		if c.name == "sound" {
			if len(problems) != 0 {
				t.Errorf("%s: %+v", c.name, problems)
			}
			continue
		}
		if len(problems) != 1 || problems[0].Pointer != c.at || problems[0].Severity != sdk.SeverityError {
			t.Errorf("%s: %+v, want a problem at %q", c.name, problems, c.at)
		}
	}
}

func TestItKeepsThePromises(t *testing.T) {
	sdktest.TestExtension(t, definition(), `{"url":"http://127.0.0.1:9","secret":"`+secret+`"}`, sdktest.NewHost().Services())
}

func TestWants(t *testing.T) {
	for _, c := range []struct {
		x     webhook
		event sdk.Event
		want  bool
	}{
		{webhook{}, sdk.Event{Type: "chat:reply", AgentID: "nyx"}, true},
		{webhook{}, sdk.Event{Type: "chat:delta", AgentID: "nyx"}, false},
		{webhook{Types: []string{"chat:delta"}}, sdk.Event{Type: "chat:delta", AgentID: "nyx"}, true},
		{webhook{Types: []string{"agent:*"}}, sdk.Event{Type: "agent:action", AgentID: "nyx"}, true},
		{webhook{Types: []string{"agent:*"}}, sdk.Event{Type: "chat:reply", AgentID: "nyx"}, false},
		{webhook{Types: []string{"*"}}, sdk.Event{Type: "chat:delta"}, true},
		{webhook{Agents: []string{"aria"}}, sdk.Event{Type: "chat:reply", AgentID: "nyx"}, false},
		{webhook{Agents: []string{"aria"}, Types: []string{"agent:*"}}, sdk.Event{Type: sdk.EventGap}, true},
	} {
		if got := c.x.wants(c.event); got != c.want {
			t.Errorf("%+v wants %s of %q: %v", c.x, c.event.Type, c.event.AgentID, got)
		}
	}
}

// TestReadmeShowsThisSource keeps README.md true.
func TestReadmeShowsThisSource(t *testing.T) {
	source, err := os.ReadFile("sign.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil || !strings.Contains(string(readme), "```go\n"+string(source)+"```\n") {
		t.Errorf("README.md does not show sign.go as it is (%v)", err)
	}
	_, block, _ := strings.Cut(string(readme), "```json\n")
	block, _, _ = strings.Cut(block, "```")
	block = strings.ReplaceAll(block, "${env:WEBHOOK_SECRET}", secret)
	_, block, _ = strings.Cut(block, `"webhook": `)
	block = strings.TrimSuffix(strings.TrimSpace(block), "}\n}")
	if problems := sdktest.Check(t, definition(), block); len(problems) > 0 {
		t.Errorf("the configuration in README.md: %+v\n%s", problems, block)
	}
}
