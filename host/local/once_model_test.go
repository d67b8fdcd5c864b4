package local_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// serveDir names the environment variable that makes this binary a host which serves its runtime on a socket in a directory.
const serveDir = "STAGEHOUSE_TEST_SERVE_DIR"

const socketName = "s"

// serveUntilKilled serves the runtime in dir. Its agent says every message in two pieces, and takes its time.
func serveUntilKilled(dir string) {
	o := scripted(func(ctx context.Context, t brain.Turn, yield func(brain.Step, error) bool) {
		for _, piece := range []string{"re: ", t.Message.Content} {
			if !yield(brain.Step{Delta: piece}, nil) {
				return
			}
			select {
			case <-time.After(2 * time.Millisecond):
			case <-ctx.Done():
				return
			}
		}
	})
	o.Dir, o.MaxWaiting = dir, 3
	r, err := local.Open(context.Background(), o)
	if err == nil {
		_ = os.Remove(filepath.Join(dir, socketName)) // of the one before
		var ln net.Listener
		if ln, err = net.Listen("unix", filepath.Join(dir, socketName)); err == nil {
			s := grpc.NewServer()
			wire.Register(s, guard.New(r.Services()), "test")
			err = s.Serve(ln)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// mortal is a host that is killed and started again.
type mortal struct {
	t    *rapid.T
	dir  string
	cmd  *exec.Cmd
	conn *grpc.ClientConn
	schema.Services
}

func (m *mortal) start() {
	m.cmd = exec.Command(os.Args[0])
	m.cmd.Env = append(os.Environ(), serveDir+"="+m.dir)
	m.cmd.Stderr = os.Stderr
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	conn, err := grpc.NewClient("unix:"+filepath.Join(m.dir, socketName), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)), grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1, MaxDelay: 10 * time.Millisecond},
			MinConnectTimeout: patience, // the default is none, and a connection that is not made within the backoff is given up
		}))
	if err != nil {
		m.t.Fatal(err)
	}
	m.conn, m.Services = conn, wire.Dial(conn, schema.ServiceNames())
	if _, err := m.Events.Head(m.ctx()); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mortal) kill() {
	_ = m.cmd.Process.Kill() // it may be dead
	_ = m.cmd.Wait()
	_ = m.conn.Close()
}

func (m *mortal) ctx() context.Context {
	ctx, cancel := alicesCalls()
	m.t.Cleanup(cancel)
	return ctx
}

func alicesCalls() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	return schema.WithCaller(ctx, schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeChat}}), cancel
}

// wish is a request that is made until its outcome is known, and again after that.
type wish struct {
	key     string
	request schema.SendRequest

	mu   sync.Mutex
	came string // run id, or code of an error that is kept; "" = not known
}

func (w *wish) outcome() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.came
}

// try makes the request once. What comes of it must be what came of it before.
func (w *wish) try(chat schema.Chat) error {
	ctx, cancel := alicesCalls()
	defer cancel()
	came := ""
	for e, err := range chat.Send(schema.WithOnce(ctx, &schema.Once{Key: w.key, Scope: "send", Digest: w.key}), w.request) {
		switch code := schema.CodeOf(err); {
		case err == nil && e.Accepted != nil:
			came = e.Accepted.RunID
		case code == schema.CodeConversationBusy:
			came = string(code)
		case code != schema.CodeBusy && code != schema.CodeUnavailable && code != schema.CodeCancelled:
			return fmt.Errorf("send %s: %w", w.key, err)
		}
		break
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if came != "" && w.came != "" && came != w.came {
		return fmt.Errorf("the outcome of %s was %s and is %s", w.key, w.came, came)
	}
	if came != "" {
		w.came = came
	}
	return nil
}

// TestTurnsHappenOnceWhateverDies sends, sends again, cancels and interrupts in two conversations, and kills the host in the
// middle. In the end every request has made one turn or none, as it was told, no message is doubled or lost, and the turns of
// a conversation have run one at a time and in order.
func TestTurnsHappenOnceWhateverDies(t *testing.T) {
	few(t, 5)
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "once")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		m := &mortal{t: t, dir: dir}
		m.start()
		defer func() { m.kill() }()
		var wishes []*wish
		for range rapid.IntRange(2, 5).Draw(t, "rounds") {
			for range rapid.IntRange(1, 6).Draw(t, "requests") {
				n := len(wishes)
				wishes = append(wishes, &wish{key: fmt.Sprint("key", n), request: schema.SendRequest{
					AgentID: "bot", Message: fmt.Sprint("message ", n),
					ConversationID: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "conversation"),
					OnBusy:         rapid.SampledFrom([]schema.OnBusy{"", schema.BusyReject, schema.BusyInterrupt}).Draw(t, "onBusy"),
				}})
			}
			m.round(wishes, rapid.Permutation(append(slices.Clone(wishes), wishes...)).Draw(t, "order"), rapid.Bool().Draw(t, "kill"))
		}
		for _, w := range wishes {
			for w.outcome() == "" { // until there is room for it
				if err := w.try(m.Chat); err != nil {
					t.Fatal(err)
				}
			}
		}
		m.check(wishes)
	})
}

// few bounds how often the properties of a test that starts processes are checked, unless somebody asks for more.
func few(t *testing.T, checks int) {
	f := flag.Lookup("rapid.checks")
	before := f.Value.String()
	if before != f.DefValue {
		return
	}
	if err := f.Value.Set(fmt.Sprint(checks)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(before) })
}

// round makes requests at once, some for the second time and some twice, cancels one, and kills the host before all are
// answered.
func (m *mortal) round(wishes, order []*wish, kill bool) {
	var tries sync.WaitGroup
	chat, answered := m.Chat, make(chan error, len(order))
	for _, w := range order {
		tries.Go(func() { answered <- w.try(chat) })
	}
	errs := []error{<-answered}
	if id := wishes[0].outcome(); kill {
		m.kill()
	} else if len(id) > len("run_") {
		if _, err := m.Chat.Cancel(m.ctx(), id); err != nil && schema.CodeOf(err) != schema.CodeNotFound {
			m.t.Errorf("cancel: %v", err)
		}
	}
	tries.Wait()
	close(answered)
	for err := range answered {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		m.t.Error(err)
	}
	if kill {
		m.start()
	}
}

// check compares what is there with what was told.
func (m *mortal) check(wishes []*wish) {
	want := map[string]string{} // run → message
	for _, w := range wishes {
		if w.came != string(schema.CodeConversationBusy) {
			want[w.came] = w.request.Message
		}
	}
	page, err := m.Chat.Runs(m.ctx(), schema.RunsQuery{Limit: schema.MaxPageSize})
	if err != nil || len(page.Runs) != len(want) {
		m.t.Errorf("there are %d runs (%v), want %d", len(page.Runs), err, len(want))
	}
	for _, run := range page.Runs {
		for !run.Status.Terminal() {
			if run, err = m.Chat.Run(m.ctx(), run.ID); err != nil {
				m.t.Fatal(err)
			}
		}
		if _, ok := want[run.ID]; !ok {
			m.t.Errorf("nobody was told of run %s", run.ID)
		}
	}
	for _, id := range []string{"a", "b"} {
		m.checkConversation(id, want)
	}
	m.checkOrder()
}

func (m *mortal) checkConversation(id string, want map[string]string) {
	c, err := m.Chat.Conversation(m.ctx(), schema.ConversationQuery{ID: id, Limit: schema.MaxPageSize})
	if schema.CodeOf(err) == schema.CodeNotFound {
		return
	}
	if err != nil {
		m.t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, msg := range c.Messages {
		switch {
		case msg.Role == schema.RoleUser && (seen[msg.RunID] || msg.Content != want[msg.RunID]):
			m.t.Errorf("message %q of run %s is doubled, or is none that was told", msg.Content, msg.RunID)
		case msg.Role == schema.RoleUser:
			seen[msg.RunID] = true
		case msg.Partial && msg.Content == "":
			m.t.Errorf("a partial reply says nothing: %+v", msg)
		}
	}
}

// checkOrder reads the whole log: turns of a conversation start in the order in which they were queued, one at a time, and
// end once.
func (m *mortal) checkOrder() {
	head, err := m.Events.Head(m.ctx())
	if err != nil {
		m.t.Fatal(err)
	}
	queued, at, over := map[string][]string{}, map[string]string{}, map[string]bool{}
	for e, err := range m.Events.Subscribe(m.ctx(), schema.EventQuery{Since: schema.Cursor{Epoch: head.Epoch}, Until: head}) {
		if err != nil {
			m.t.Fatal(err)
		}
		c, id := e.ConversationID, e.RunID
		switch {
		case e.Type == schema.EventQueued:
			queued[c] = append(queued[c], id)
		case e.Type == schema.EventStarted:
			if at[c] != "" || queued[c][0] != id {
				m.t.Errorf("%s starts while %q is at work and %v wait", id, at[c], queued[c])
			}
			at[c] = id
			queued[c] = queued[c][1:]
		case e.Type.Terminal():
			if over[id] {
				m.t.Errorf("%s ends twice", id)
			}
			over[id] = true
			queued[c] = slices.DeleteFunc(queued[c], func(q string) bool { return q == id })
			if at[c] == id {
				at[c] = ""
			}
		}
	}
	if len(queued["a"])+len(queued["b"]) > 0 || at["a"]+at["b"] != "" {
		m.t.Errorf("unfinished: %v %v", queued, at)
	}
}
