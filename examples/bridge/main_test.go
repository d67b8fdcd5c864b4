package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 60 * time.Second

// finished is a Chat whose runs are over as soon as they have begun: that of a host in memory cannot look at runs.
type finished struct {
	schema.Chat
	host *sdktest.Host
}

func (f finished) Run(_ context.Context, id string) (sdk.Run, error) {
	for _, c := range f.host.Calls("Chat.Send") {
		if r := c.Input.(schema.SendRequest); r.RunID == id {
			return sdk.Run{ID: id, Status: schema.RunCompleted, Reply: &sdk.Message{Content: answerTo(r.Message)}}, nil
		}
	}
	return sdk.Run{}, schema.Errorf(schema.CodeNotFound, "there is no run %s", id)
}

func answerTo(text string) string {
	if text == "long" {
		return strings.Repeat("é", maxText) + "end"
	}
	return "You said: " + text
}

func start(t *testing.T, s *service, more string) *sdktest.Host {
	t.Helper()
	host := sdktest.NewHost(sdk.Agent{ID: "nyx"})
	services := host.Services()
	services.Chat = finished{services.Chat, host}
	sdktest.Start(t, definition(), s.block(more), services)
	return host
}

// TestChats: each chat is a conversation, and who is not to be heard is not.
func TestChats(t *testing.T) {
	s := startService(t)
	host := start(t, s, `,"chats":[7,-42]`)
	s.write(7, "one")
	s.write(8, "nobody hears me")
	s.write(-42, "two")
	s.write(7, "long")
	s.await(t, "the answers", func() bool { return len(s.read(7)) == 3 && len(s.read(-42)) == 1 })
	if got := s.read(7); got[0] != "You said: one" || len([]rune(got[1])) != maxText || got[2] != "end" {
		t.Errorf("chat 7 reads %.60q", got)
	}
	if got := s.read(8); len(got) != 0 {
		t.Errorf("chat 8 reads %q", got)
	}
	var in []string
	for _, c := range host.Calls("Chat.Send") {
		r := c.Input.(schema.SendRequest)
		in = append(in, r.ConversationID)
		if r.AgentID != "nyx" || c.Caller.Principal != "extension:bridge" {
			t.Errorf("call %+v", c)
		}
	}
	slices.Sort(in)
	if want := []string{"chat-42", "chat7", "chat7"}; !slices.Equal(in, want) {
		t.Errorf("conversations %v, want %v", in, want)
	}
}

// TestTheServiceRefuses: what may be taken later is said again, after the time that the service asks for; what it never takes is dropped.
func TestTheServiceRefuses(t *testing.T) {
	s := startService(t)
	s.refuse = []refusal{{code: 500}, {code: 429, after: 1}, {code: 502}}
	start(t, s, "")
	begun := time.Now()
	s.write(7, "one")
	s.await(t, "the answer", func() bool { return len(s.read(7)) == 1 })
	if took := time.Since(begun); took < time.Second {
		t.Errorf("it was said again after %v", took)
	}
	s.mu.Lock()
	s.refuse = []refusal{{code: 403}}
	s.mu.Unlock()
	s.write(7, "two")
	s.write(7, "three")
	s.await(t, "the answer after it", func() bool { return len(s.read(7)) == 2 })
	if got := s.read(7); got[1] != "You said: three" {
		t.Errorf("chat 7 reads %q", got)
	}
}

func TestBlock(t *testing.T) {
	for block, at := range map[string]string{
		`{"token":"x"}`:                      "",
		`{"token":""}`:                       "/token",
		`{"token":"x","url":"telegram"}`:     "/url",
		`{"token":"x","pollSeconds":51}`:     "/pollSeconds",
		`{"token":"x","chats":["somebody"]}`: "/chats/0",
	} {
		problems := sdktest.Check(t, definition(), block)
		if at == "" && len(problems) > 0 || at != "" && (len(problems) != 1 || problems[0].Pointer != at) {
			t.Errorf("%s: %+v, want a problem at %q", block, problems, at)
		}
	}
}

func TestItKeepsThePromises(t *testing.T) {
	sdktest.TestExtension(t, definition(), `{"token":"x","url":"http://127.0.0.1:9"}`, sdktest.NewHost().Services())
}

// TestErrorsKeepTheToken: it is in the URL, and must not be in the log.
func TestErrorsKeepTheToken(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1:9", "http://127.0.0.1:9/\x7f"} {
		_, err := newBot(url, token, 0).updates(t.Context(), 0)
		if err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("%v", err)
		}
	}
}

// TestReadmeShowsThisSource keeps README.md true.
func TestReadmeShowsThisSource(t *testing.T) {
	source, err := os.ReadFile("ask.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil || !strings.Contains(string(readme), "```go\n"+string(source)+"```\n") {
		t.Errorf("README.md does not show ask.go as it is (%v)", err)
	}
	_, block, _ := strings.Cut(string(readme), "```json\n")
	block, _, _ = strings.Cut(block, "```")
	var file struct {
		Extensions struct{ Bridge json.RawMessage }
	}
	if err := json.Unmarshal([]byte(block), &file); err != nil {
		t.Fatal(err)
	}
	if problems := sdktest.Check(t, definition(), string(file.Extensions.Bridge)); len(file.Extensions.Bridge) == 0 || len(problems) > 0 {
		t.Errorf("the configuration in README.md: %+v\n%s", problems, block)
	}
}
