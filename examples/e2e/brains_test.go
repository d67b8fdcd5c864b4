//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stagehouse/stagehouse/extension/anthropic/anthropictest"
	"github.com/stagehouse/stagehouse/extension/openai/openaitest"
)

// buildProviders builds the programs of all providers beside the program under test, once: their vendors' clients take a while.
var buildProviders = sync.OnceValue(func() error {
	for _, name := range []string{"openai", "anthropic"} {
		out, err := exec.Command("go", "build", "-o", provider(name), "github.com/stagehouse/stagehouse/extension/"+name+"/cmd/stagehouse-"+name).CombinedOutput()
		if err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
})

func provider(name string) string { return filepath.Join(filepath.Dir(binary), "stagehouse-"+name) }

// installProviders puts the programs of all providers where a configuration in dir finds them.
func installProviders(t *testing.T, dir string) {
	t.Helper()
	if err := buildProviders(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "plugins"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"openai", "anthropic"} {
		if err := os.Symlink(provider(name), filepath.Join(dir, "plugins", "stagehouse-"+name)); err != nil {
			t.Fatal(err)
		}
	}
}

// mind is a host whose agents are thought for by stand-ins of providers.
type mind struct {
	*house
	c         *http.Client
	openai    *openaitest.Server
	anthropic *anthropictest.Server
}

func startMind(t *testing.T) *mind {
	t.Helper()
	dir := t.TempDir()
	installProviders(t, dir)
	m := &mind{house: &house{file: filepath.Join(dir, "stagehouse.json")}, c: newClient(t), openai: openaitest.New(t), anthropic: anthropictest.New(t)}
	t.Setenv("TEST_OLLAMA_KEY", openaitest.Key)
	t.Setenv("TEST_ANTHROPIC_KEY", anthropictest.Key)
	m.configure(t, "gpt-4.1-mini", openaitest.Key)
	m.server = start(t, t.TempDir(), "--config", m.file)
	return m
}

// configure writes the configuration with a model and a key of the extension openai.
func (m *mind) configure(t *testing.T, model, key string) {
	t.Helper()
	write(t, filepath.Join(filepath.Dir(m.file), "openai-key"), key)
	whole, err := json.Marshal(object{
		"extensions": object{
			"api":       object{"port": 0},
			"openai":    object{"baseUrl": m.openai.URL, "apiKey": "${file:openai-key}", "model": model, "maxRetries": 0},
			"ollama":    object{"baseUrl": m.openai.URL, "apiKey": "${env:TEST_OLLAMA_KEY}", "model": "gpt-4.1-nano", "plugin": object{"path": "plugins/stagehouse-openai", "drainTimeoutMs": 300}},
			"anthropic": object{"baseUrl": m.anthropic.URL, "apiKey": "${env:TEST_ANTHROPIC_KEY}", "model": "claude-haiku-4-5"},
		},
		"agents": []object{
			{"id": "luna", "persona": "You keep an observatory.", "brain": object{"provider": "openai", "temperature": 0.5, "fallback": []string{"anthropic", "builtin"}}},
			{"id": "sol", "brain": "ollama"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, m.file+".new", string(whole))
	put(t, m.file+".new", m.file)
}

type object = map[string]any

// turn is what a client has seen of a turn.
type turn struct{ run, said, reply string }

// ask has an agent answer. at is called once, when it has said something.
func (m *mind) ask(agent, message string, at func()) turn {
	m.t.Helper()
	k := m.authenticated(m.token)
	k.send(frame{"type": "chat:message", "agentId": agent, "message": message})
	var heard turn
	for {
		f := k.until("chat:delta", "chat:reply", "chat:failed", "error")
		heard.run = f.str("runId")
		switch f.str("type") {
		case "chat:delta":
			if heard.said += f.str("delta"); at != nil {
				at()
				at = nil
			}
		case "chat:reply":
			reply, _ := f["reply"].(map[string]any)
			heard.reply, _ = reply["content"].(string)
			return heard
		default:
			m.t.Fatalf("the turn ends with %v", f)
		}
	}
}

// log returns what the event log has of the thoughts and actions of a turn.
func (m *mind) log(of turn) string {
	m.t.Helper()
	return string(m.do(m.c, http.StatusOK, http.MethodGet, "/api/events?events=thought,action&limit=200&runId="+of.run, nil).raw)
}

// counted fails unless a turn is the whole of what the stand-ins count.
func counted(t *testing.T, what string, heard turn, n int) {
	t.Helper()
	if want := openaitest.Counted(n); heard.said != want || heard.reply != want {
		t.Errorf("%s: it says %q, and replies %q", what, heard.said, heard.reply)
	}
}

// TestAModelThinksForAnAgent: with a key from the environment, and from a file, agents answer with what models say, and what
// they call is done.
func TestAModelThinksForAnAgent(t *testing.T) {
	m := startMind(t)
	counted(t, "sol", m.ask("sol", "count to 7", nil), 7)

	m.openai.Script(
		openaitest.Reply{Content: "I keep that.", Calls: []openaitest.Call{{ID: "call_1", Name: "memory_store", Arguments: `{"content": "The visitor has a telescope."}`}}},
		openaitest.Say("It is kept."),
	)
	heard := m.ask("luna", "I have a telescope.", nil)
	if heard.reply != "I keep that.\n\nIt is kept." || heard.said != heard.reply {
		t.Errorf("it says %q, and replies %q", heard.said, heard.reply)
	}
	if got := m.found(m.c, "agentId=luna&q=telescope"); !slices.Contains(got, "The visitor has a telescope.") {
		t.Errorf("it remembers %q", got)
	}
	if log := m.log(heard); !strings.Contains(log, `"action":"memory.store"`) {
		t.Errorf("the event log has %s", log)
	}
	asked := m.openai.Requests()
	first, second := asked[1], asked[2]
	last := second.Messages[len(second.Messages)-1]
	if first.Model != "gpt-4.1-mini" || *first.Temperature != 0.5 || !strings.Contains(first.Messages[0].Text(), "You keep an observatory.") ||
		!slices.ContainsFunc(first.Tools, func(x openaitest.Tool) bool { return x.Function.Name == "memory_store" }) ||
		last.Role != "tool" || last.ToolCallID != "call_1" || last.Text() != `{"stored":true}` {
		t.Errorf("the model was asked %+v, and %+v", first, second)
	}
	if stdout, stderr, code := m.ext("describe", "openai"); code != 0 || !strings.Contains(stdout, "requests_total") {
		t.Errorf("ext describe: %s%s", stdout, stderr)
	}
}

// counting returns an answer that counts to n and stops in the middle until gate is closed.
func counting(n int, gate <-chan struct{}) openaitest.Reply {
	return openaitest.Reply{Content: openaitest.Counted(n), Gate: gate, After: 9}
}

// TestAProviderIsReplacedWhileItSpeaks: another model and another key are in the file, in the middle of an answer. It is not cut,
// nor asked for again, and the next one is of the new model.
func TestAProviderIsReplacedWhileItSpeaks(t *testing.T) {
	m := startMind(t)
	gate := make(chan struct{})
	m.openai.Script(counting(30, gate))
	counted(t, "a replaced provider", m.ask("luna", "count to 30", func() {
		m.configure(t, "gpt-4.1", "sk-the-next-one")
		m.runs("openai", 2)
		close(gate)
	}), 30)
	if n := len(m.openai.Requests()); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	m.openai.Accept("sk-the-next-one")
	counted(t, "the next one", m.ask("luna", "count to 3", nil), 3)
	if asked := m.openai.Requests(); len(asked) != 2 || asked[1].Model != "gpt-4.1" || asked[1].Header.Get("Authorization") != "Bearer sk-the-next-one" {
		t.Errorf("the next one was asked %d times", len(asked))
	}
}

// TestAnAnswerOutlivesWhoGivesIt: in the middle of an answer that does not go on, its provider is replaced and has no time to wait for the rest,
// or is killed, or its connection breaks. What is missing is asked for, and nothing is said twice.
func TestAnAnswerOutlivesWhoGivesIt(t *testing.T) {
	m := startMind(t)
	m.openai.Script(counting(30, make(chan struct{})))
	counted(t, "a provider that may not finish", m.ask("sol", "count to 30", func() {
		if _, stderr, code := m.ext("reload", "ollama"); code != 0 {
			t.Errorf("ext reload: %s", stderr)
		}
	}), 30)
	m.openai.Script(counting(31, make(chan struct{})))
	counted(t, "a killed provider", m.ask("luna", "count to 31", func() {
		if err := syscall.Kill(m.extension("openai").PID, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}), 31)
	m.runs("openai", 2)
	m.openai.Script(counting(32, make(chan struct{})))
	counted(t, "a broken connection", m.ask("luna", "count to 32", m.openai.CloseConnections), 32)
	// Who goes on for the killed one is itself, if it is back by then, or the next of the fallbacks.
	if n := len(m.openai.Requests()) + len(m.anthropic.Requests()); n != 6 {
		t.Errorf("for three answers %d were asked for", n)
	}
}

// TestAnotherProviderGoesOn where one is of no use, and says why.
func TestAnotherProviderGoesOn(t *testing.T) {
	m := startMind(t)
	m.openai.Accept("sk-another")
	heard := m.ask("luna", "count to 5", nil)
	counted(t, "without openai", heard, 5)
	if log := m.log(heard); !strings.Contains(log, "401 from 127.0.0.1:") || !strings.Contains(log, "the key was refused; check extensions.openai.apiKey (${file:openai-key})") ||
		!strings.Contains(log, "I go on with anthropic.") || strings.Contains(log, openaitest.Key) {
		t.Errorf("the event log has %s", log)
	}
	m.anthropic.Script(anthropictest.Refuse(403, "permission_error", "No"))
	if heard := m.ask("luna", "Hello!", nil); heard.reply == "" || !strings.Contains(m.log(heard), "I go on with builtin.") {
		t.Errorf("without both it replies %q", heard.reply)
	}
}
