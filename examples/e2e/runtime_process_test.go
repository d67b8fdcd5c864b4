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
	"sync/atomic"
	"syscall"
	"testing"
)

// builtRuntime is the reference runtime as a process of its own, built once for all tests.
var builtRuntime = sync.OnceValues(func() ([]byte, error) {
	path := filepath.Join(filepath.Dir(binary), "runtime-process")
	c := exec.Command("go", "build", "-o", path, "github.com/stagehouse/stagehouse/examples/runtime-process")
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the runtime: %w\n%s", err, out)
	}
	return os.ReadFile(path)
})

// putRuntime puts the program to a path, in one step. Every n is another build.
func putRuntime(t *testing.T, path string, n int) {
	t.Helper()
	program, err := builtRuntime()
	if err != nil {
		t.Fatal(err)
	}
	program = append(slices.Clone(program), make([]byte, n)...) // which the system does not look at
	if err := os.WriteFile(path+".new", program, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, path+".new", path)
}

// apartment is a house whose runtime is a process of its own.
type apartment struct {
	*house
	program string
}

func startApartment(t *testing.T) *apartment {
	t.Helper()
	dir := t.TempDir()
	a := &apartment{house: &house{file: filepath.Join(dir, "stagehouse.json")}, program: filepath.Join(dir, "mine")}
	putRuntime(t, a.program, 0)
	write(t, a.file, a.config(`{}`))
	a.server = start(t, t.TempDir(), "--config", a.file)
	return a
}

// config returns a configuration with a block of the runtime.
func (a *apartment) config(block string) string {
	rest := strings.TrimPrefix(block, "{")
	if rest != "}" {
		rest = ", " + rest
	}
	return `{"runtime": {"plugin": {"path": "./mine"}` + rest + `, "extensions": {"api": {"port": 0}}}`
}

// traffic is what clients do who never try anything again.
type traffic struct {
	a       *apartment
	stop    chan struct{}
	clients sync.WaitGroup
	turns   atomic.Int64
	events  atomic.Int64
	waited  atomic.Int64 // in vain, before it was asked again
}

// talkers have a conversation each, remember things, and look at what there is.
func (x *traffic) talkers(n int) {
	for i := range n {
		x.clients.Go(func() {
			c, conversation := newClient(x.a.t), fmt.Sprint("talk-", i)
			said := 0
			for x.goesOn() {
				message := map[string]any{"agentId": "nyx", "conversationId": conversation, "message": fmt.Sprint("message ", said)}
				if !x.ask(c, http.StatusOK, http.MethodPost, "/api/chat/send", message) ||
					!x.ask(c, http.StatusCreated, http.MethodPost, "/api/memory/store", map[string]any{"agentId": "nyx", "content": fmt.Sprintf("thing %d of %d", said, i)}) ||
					!x.ask(c, http.StatusOK, http.MethodGet, "/api/agents", nil) {
					return
				}
				said++
				x.turns.Add(1)
			}
			got, err := x.a.try(c, x.a.token, http.MethodGet, "/api/chat/conversations/"+conversation, nil)
			if err != nil || got.json["messageCount"] != float64(2*said) {
				x.a.t.Errorf("after %d turns the conversation %s has %v messages: %v", said, conversation, got.json["messageCount"], err)
			}
		})
	}
}

func (x *traffic) ask(c *http.Client, want int, method, path string, body any) bool {
	got, err := x.a.try(c, x.a.token, method, path, body)
	if err != nil || got.StatusCode != want {
		x.a.t.Errorf("%s %s: %v\n%s", method, path, err, got.raw)
		return false
	}
	return true
}

// listener follows every event on one socket, and misses none.
func (x *traffic) listener() {
	k := x.a.authenticated(x.a.token)
	k.send(frame{"type": "subscribe"})
	_, head, _ := strings.Cut(k.until("subscribed").str("head"), "-")
	var at float64
	_, _ = fmt.Sscan(head, &at)
	var stop atomic.Bool
	x.clients.Go(func() { _ = keepAlive(x.a.t, k, &stop) })
	x.clients.Go(func() {
		defer stop.Store(true)
		for x.goesOn() {
			f, err := k.next()
			switch {
			case err != nil:
				x.a.t.Errorf("the socket behind event %v: %v", at, err)
				return
			case f["prevSeq"] == nil:
				continue
			case f["prevSeq"] != at:
				x.a.t.Errorf("behind event %v came %v", at, f)
				return
			}
			at = f["seq"].(float64)
			x.events.Add(1)
		}
	})
}

// chatter has turns streamed to it on a socket.
func (x *traffic) chatter() {
	k := x.a.authenticated(x.a.token)
	x.clients.Go(func() {
		for n := 0; x.goesOn(); n++ {
			message := frame{"type": "chat:message", "id": n, "agentId": "aria", "message": fmt.Sprint("message ", n), "conversationId": "socket"}
			if b, err := json.Marshal(message); err != nil || k.ws.Write(x.a.t.Context(), 1, b) != nil {
				x.a.t.Errorf("turn %d cannot be sent", n)
				return
			}
			if err := oneTurn(k, float64(n)); err != nil {
				x.a.t.Errorf("turn %d: %v", n, err)
				return
			}
			x.turns.Add(1)
		}
	})
}

// patient asks again as long as the runtime is away for longer than calls wait for it, which a busy machine can make it be.
func (x *traffic) patient(c *http.Client, method, path string, body any) (answer, error) {
	for {
		got, err := x.a.try(c, x.a.token, method, path, body)
		if err != nil || got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(got.raw), "the runtime is away") {
			return got, err
		}
		x.waited.Add(1)
	}
}

func (x *traffic) goesOn() bool {
	select {
	case <-x.stop:
		return false
	default:
		return !x.a.t.Failed()
	}
}

// flows waits until the clients have done something more.
func (x *traffic) flows() {
	x.a.t.Helper()
	turns, events := x.turns.Load(), x.events.Load()
	eventually(x.a.t, "traffic", func() error {
		if t, e := x.turns.Load()-turns, x.events.Load()-events; !x.a.t.Failed() && (t < 20 || e < 100) {
			return fmt.Errorf("%d turns, %d events", t, e)
		}
		return nil
	})
	if x.a.t.Failed() {
		x.a.t.FailNow()
	}
}

// TestRuntimeIsReplacedUnderTraffic: whatever makes the host replace its runtime, no client of the API notices, be it by an
// error, a socket that closes, an event that is missing or a message that is there twice.
func TestRuntimeIsReplacedUnderTraffic(t *testing.T) {
	a := startApartment(t)
	api := a.extension("api").PID
	x := &traffic{a: a, stop: make(chan struct{})}
	defer x.clients.Wait()
	end := sync.OnceFunc(func() { close(x.stop) })
	defer end()
	x.talkers(4)
	x.listener()
	x.chatter()
	x.flows()

	putRuntime(t, a.program, 1)
	a.runs("runtime", 2)
	x.flows()

	write(t, a.file, a.config(`{"agents": [{"id": "nyx"}, {"id": "aria"}, {"id": "zoe"}]}`))
	a.runs("runtime", 3)
	a.do(newClient(t), http.StatusOK, http.MethodGet, "/api/agents/zoe", nil)
	x.flows()

	if stdout, stderr, code := a.ext("reload", "runtime"); code != 0 || stdout != "runtime is running, generation 4\n" {
		t.Errorf("ext reload: %d %s%s", code, stdout, stderr)
	}
	x.flows()

	// What is wrong is said, and changes nothing.
	write(t, a.file, a.config(`{"agnets": []}`))
	a.says("reload failed", "/runtime/agnets", `did you mean \"agents\"?`)
	write(t, a.file, a.config(`{"agents": [{"id": "nyx"}, {"id": "aria"}, {"id": "zoe"}, {"id": "zoe"}]}`))
	a.says("reload failed", "activate", "zoe")
	if e := a.extension("runtime"); e.Generation != 4 || e.State != "running" {
		t.Errorf("after mistakes: %+v", e)
	}
	x.flows()

	write(t, a.file, a.config(`{}`))
	a.signal(syscall.SIGHUP)
	eventually(t, "the runtime as it was at first", func() error {
		if e := a.extension("runtime"); e.Generation < 6 || e.State != "running" {
			return fmt.Errorf("%+v", e)
		}
		return nil
	})
	x.flows()
	end()
	x.clients.Wait()
	if e := a.extension("api"); e.PID != api {
		t.Errorf("the API server is another one: %+v", e)
	}
	t.Logf("%d turns, %d events", x.turns.Load(), x.events.Load())
}

// TestRuntimeIsKilledUnderTraffic: the runtime's process is killed again and again. The API server stays, sockets stay open and
// miss nothing, what can be asked for again is, and what was acknowledged is there.
func TestRuntimeIsKilledUnderTraffic(t *testing.T) {
	a := startApartment(t)
	api := a.extension("api").PID
	x := &traffic{a: a, stop: make(chan struct{})}
	defer x.clients.Wait()
	end := sync.OnceFunc(func() { close(x.stop) })
	defer end()
	x.listener()
	var stored sync.Map
	var acknowledged, unsaid atomic.Int64
	for n := range 3 {
		x.clients.Go(func() {
			c := newClient(t)
			for i := 0; x.goesOn(); i++ {
				content := fmt.Sprintf("fact %d of client %d", i, n)
				keyed := headed(c, "Idempotency-Key", strings.ReplaceAll(content, " ", "-"))
				got, err := x.patient(keyed, http.MethodPost, "/api/memory/store", map[string]any{"agentId": "nyx", "content": content})
				if err != nil || got.StatusCode != http.StatusCreated {
					t.Errorf("a memory with a key: %v\n%s", err, got.raw)
					return
				}
				stored.Store(content, got.json["id"])
				acknowledged.Add(1)
				if got, err := x.patient(c, http.MethodGet, "/api/agents/nyx", nil); err != nil || got.StatusCode != http.StatusOK {
					t.Errorf("an agent: %v\n%s", err, got.raw)
					return
				}
			}
		})
	}
	x.clients.Go(func() {
		c := newClient(t)
		for x.goesOn() {
			got, err := x.patient(c, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "hello"})
			switch {
			case err != nil:
				t.Errorf("a message: %v", err)
			case got.StatusCode == http.StatusOK:
				x.turns.Add(1)
			case strings.Contains(string(got.raw), "host_restarted"):
				unsaid.Add(1) // its turn was under way
			default:
				t.Errorf("a message: %s", got.raw)
			}
		}
	})
	for range 4 {
		done, events := acknowledged.Load(), x.events.Load()
		eventually(t, "memories and events", func() error {
			if n, e := acknowledged.Load()-done, x.events.Load()-events; !t.Failed() && (n < 30 || e < 50) {
				return fmt.Errorf("%d memories, %d events", n, e)
			}
			return nil
		})
		if t.Failed() {
			return
		}
		if err := syscall.Kill(a.extension("runtime").PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	x.flows()
	end()
	x.clients.Wait()
	a.checkStored(&stored)
	if e := a.extension("api"); e.PID != api {
		t.Errorf("the API server is another one: %+v", e)
	}
	t.Logf("%d memories, %d turns, %d failed, %d events, %d waits in vain", acknowledged.Load(), x.turns.Load(), unsaid.Load(), x.events.Load(), x.waited.Load())
}

// TestRuntimeLeavesTheConfiguration: which kind of runtime a host has counts from its start on, and it says so.
func TestRuntimeLeavesTheConfiguration(t *testing.T) {
	a := startApartment(t)
	write(t, a.file, `{"extensions": {"api": {"port": 0}}}`)
	a.says("counts only after the host is started anew", "runtime")
	a.do(newClient(t), http.StatusOK, http.MethodGet, "/api/agents/nyx", nil)
	if stdout, stderr, code := a.ext("reload", "runtime"); code != 0 || stdout != "runtime is running, generation 2\n" {
		t.Errorf("ext reload: %d %s%s", code, stdout, stderr)
	}
	if stdout, _, code := a.ext("logs", "runtime"); code != 0 || !strings.Contains(stdout, "runtime was replaced") {
		t.Errorf("ext logs: %d %s", code, stdout)
	}
}

// TestKillTheHostOfARuntime: the process of the runtime does not outlive its host, and the next one goes on with what there was.
func TestKillTheHostOfARuntime(t *testing.T) {
	a := startApartment(t)
	a.do(newClient(t), http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "hello", "conversationId": "c"})
	processes := a.children()
	if len(processes) != 2 {
		t.Errorf("processes %v", processes)
	}
	a.kill9()
	for _, pid := range processes {
		eventually(t, "orphans", func() error { return gone(pid) })
	}
	s := start(t, a.data, "--config", a.file)
	s.do(newClient(t), http.StatusOK, http.MethodGet, "/api/chat/conversations/c", nil)
	processes = s.children()
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, pid := range processes {
		eventually(t, "orphans", func() error { return gone(pid) })
	}
	if left, _ := filepath.Glob(filepath.Join(a.data, "run", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestAgentsOfAProcessRollDice: what an extension adds to agents, it adds to those that live in another process too.
func TestAgentsOfAProcessRollDice(t *testing.T) {
	a := startApartment(t)
	buildDice(t, filepath.Dir(a.file))
	write(t, a.file, strings.Replace(a.config(`{}`), `"extensions": {`, `"extensions": {"dice": {}, `, 1))
	if stdout, stderr, code := a.ext("reload", "dice"); code != 0 {
		t.Fatalf("ext reload dice: %s%s", stdout, stderr)
	}
	got := a.do(newClient(t), http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "/roll 3d6"})
	reply, _ := got.json["reply"].(map[string]any)
	if text, _ := reply["content"].(string); !strings.HasPrefix(text, "3d6 is ") {
		t.Errorf("the reply is %s", got.raw)
	}
}
