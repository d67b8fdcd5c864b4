package trial

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/plugin/process"
	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/life"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// Bounds of what a program may take.
const (
	callTimeout  = 10 * time.Second // of one call
	startTimeout = 20 * time.Second
	endTimeout   = 10 * time.Second // from the word that it is to end until it has: it drains for 5 s
	goneTimeout  = 5 * time.Second  // for what it has started, after its own end
)

func (p Program) processGroup() conform.Group {
	return conform.Group{Name: "extension/process", Checks: []conform.Check{
		{Name: "lifeline", Expect: "when its host is gone it drains and exits", Contract: theTether, Run: p.lifeline},
		{Name: "sigterm", Expect: "SIGTERM drains it, and it exits", Contract: itsEnd, Run: p.sigterm},
		{Name: "leaves-nothing", Expect: "at its end nothing that it has started is left", Contract: itsEnd, Run: p.leavesNothing},
		{Name: "keeps-its-files", Expect: "being asked for its health opens no files for good", Contract: itsLife, Run: p.keepsItsFiles},
		{Name: "garbage-on-its-listeners", Expect: "what strangers send to its listeners does not end it", Contract: itsLife, Run: p.garbage},
	}}
}

// running is a process of the program, called directly.
type running struct {
	proc     *process.Process
	client   pb.ExtensionClient
	services schema.Services
	name     string

	around     func(grpc.ServiceRegistrar) grpc.ServiceRegistrar // of the services; nil = nothing is
	introduced *pb.InitResponse                                  // after Init
}

var _ life.Extension = (*running)(nil)

// open runs the program and shakes hands.
func (p Program) open(t conform.T, services schema.Services) *running {
	t.Helper()
	x, _ := p.openMarked(t, services)
	return x
}

func (p Program) openMarked(t conform.T, services schema.Services) (*running, string) {
	t.Helper()
	spec, value := p.marked(t)
	launcher := process.NewLauncher()
	t.Cleanup(launcher.Close)
	listeners := tether.NewListeners(spec.Name, nil)
	t.Cleanup(func() { _ = listeners.Close() }) // those that are lent are not its any more
	proc, err := process.Start(bound(t, startTimeout), launcher, process.Config{
		Name: spec.Name, Generation: 1, Path: spec.Path, Args: spec.Args, Env: spec.Env, SHA256: spec.SHA256, Private: spec.Private,
		RunDir: t.TempDir(), Listeners: listeners, Log: logger(t),
	})
	if err != nil {
		t.Fatalf("run %s: %v", spec.Path, err)
	}
	t.Cleanup(func() {
		if err := proc.Kill(0); err != nil {
			t.Errorf("kill it: %v", err)
		}
	})
	return &running{proc: proc, client: pb.NewExtensionClient(proc.Conn()), services: services, name: spec.Name}, value
}

func (r *running) Init(ctx context.Context) (life.Introduction, error) {
	id, err := r.proc.Offer(func(reg grpc.ServiceRegistrar) {
		if r.around != nil {
			reg = r.around(reg)
		}
		wire.Register(reg, r.services, r.name)
	})
	if err != nil {
		return life.Introduction{}, err
	}
	out, err := r.client.Init(ctx, &pb.InitRequest{
		Extension: r.name, Generation: 1, BrokerId: id, Services: r.services.Names(), LogLevel: "info",
	})
	if err == nil {
		r.introduced = out
	}
	return life.Introduction{Name: out.GetName(), Version: out.GetVersion(), Requires: out.GetRequires()}, wire.FromStatus(err)
}

func (r *running) Configure(ctx context.Context, block []byte) ([]schema.Problem, error) {
	out, err := r.client.Configure(ctx, &pb.ConfigureRequest{Config: block})
	var problems []schema.Problem
	for _, p := range out.GetProblems() {
		problems = append(problems, schema.Problem{
			Severity: schema.Severity(p.GetSeverity()), Pointer: p.GetPointer(), Message: p.GetMessage(), Suggestion: p.GetSuggestion(),
		})
	}
	return problems, wire.FromStatus(err)
}

// Start also tells the process that it is on it to accept connections, as no other generation is there.
func (r *running) Start(ctx context.Context) ([]string, error) {
	out, err := r.client.Start(ctx, &pb.StartRequest{})
	if err != nil {
		return nil, wire.FromStatus(err)
	}
	return out.GetListeners(), r.proc.Begin(nil)
}

func (r *running) Health(ctx context.Context) error {
	_, err := r.client.Health(ctx, &pb.HealthRequest{})
	if status.Code(err) == protocol.StatusFailed { // which stands for another code elsewhere
		return errors.New(status.Convert(err).Message())
	}
	return wire.FromStatus(err)
}

func (r *running) Drain(ctx context.Context, deadline time.Duration) (int, error) {
	out, err := r.client.Drain(ctx, &pb.DrainRequest{DeadlineMs: deadline.Milliseconds(), Final: true})
	return int(out.GetUnfinished()), wire.FromStatus(err)
}

// begun returns a process that serves, its listeners, and its mark.
func (p Program) begun(t conform.T) (*running, []string, string) {
	t.Helper()
	return p.begunWith(t, nil)
}

// begunWith is begun with something around the services that the process may use.
func (p Program) begunWith(t conform.T, around func(grpc.ServiceRegistrar) grpc.ServiceRegistrar) (*running, []string, string) {
	t.Helper()
	r, value := p.openMarked(t, p.Services(t))
	r.around = around
	ctx := bound(t, startTimeout)
	if _, err := r.Init(ctx); err != nil {
		t.Fatalf("Init: %v", err)
	}
	block := p.Spec.Config
	if len(block) == 0 {
		block = []byte("{}")
	}
	if problems, err := r.Configure(ctx, block); err != nil {
		t.Fatalf("Configure: %v %v", problems, err)
	}
	listeners, err := r.Start(ctx)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	return r, listeners, value
}

// ends fails the check unless the process exits in time.
func (r *running) ends(t conform.T, after string) {
	t.Helper()
	most := min(endTimeout, conform.Patience(t))
	select {
	case <-r.proc.Done():
	case <-time.After(most):
		t.Errorf("it still runs %v after %s", most, after)
	}
}

func (p Program) lifeline(t conform.T) {
	r, _, _ := p.begun(t)
	if err := r.proc.Abandon(); err != nil {
		t.Fatalf("end its lifeline: %v", err)
	}
	r.ends(t, "the end of its lifeline")
}

func (p Program) sigterm(t conform.T) {
	r, _, _ := p.begun(t)
	self, err := os.FindProcess(r.proc.PID())
	if err == nil {
		err = self.Signal(syscall.SIGTERM)
	}
	if err != nil {
		t.Skipf("it cannot be sent SIGTERM here: %v", err)
	}
	r.ends(t, "SIGTERM")
}

func (p Program) leavesNothing(t conform.T) {
	r, _, value := p.begun(t)
	if _, err := r.Drain(bound(t, callTimeout), callTimeout/2); err != nil {
		t.Errorf("Drain = %v", err)
	}
	if err := r.proc.Kill(endTimeout); err != nil {
		t.Errorf("end it: %v", err)
	}
	nothingLeft(t, value)
}

// keepsItsFiles compares how many files are open after the first questions with how many are after many.
func (p Program) keepsItsFiles(t conform.T) {
	const warm, questions, slack = 20, 200, 20
	r, _, _ := p.begun(t)
	var before uint64
	for i := range warm + questions {
		if err := r.Health(bound(t, callTimeout)); err != nil {
			t.Fatalf("Health = %v", err)
		}
		if i == warm {
			before = r.proc.Files().Open
		}
	}
	if before == 0 {
		t.Skipf("this system does not tell which files a process has open")
	}
	if after := r.proc.Files().Open; after > before+slack {
		t.Errorf("it had %d files open, and after %d questions for its health %d", before, questions, after)
	}
}

// garbageTold is how long an extension is watched after it was sent garbage.
const garbageTold = 500 * time.Millisecond

// garbage sends to each listener what no client sends, and leaves in the middle of it.
func (p Program) garbage(t conform.T) {
	const strangers = 50
	r, listeners, _ := p.begun(t)
	if len(listeners) == 0 {
		t.Skipf("it listens nowhere")
	}
	var sending sync.WaitGroup
	for _, address := range listeners {
		for i := range strangers {
			sending.Go(func() { insult(address, i) })
		}
	}
	sending.Wait()
	for end := time.Now().Add(garbageTold); time.Now().Before(end); time.Sleep(garbageTold / 10) { // dying takes a moment
		if err := r.Health(bound(t, callTimeout)); err != nil {
			t.Errorf("then Health = %v", err)
			break
		}
	}
	for _, address := range listeners {
		if c, err := net.DialTimeout("tcp", address, callTimeout); err != nil {
			t.Errorf("then nobody is at %s: %v", address, err)
		} else {
			_ = c.Close() // nothing was written
		}
	}
}

// insult does what may be refused at any moment.
func insult(address string, i int) {
	c, err := net.DialTimeout("tcp", address, callTimeout)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	texts := []string{"", "\x00\xff\x16\x03\x01", "GET", "GET / HTTP/9.9\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"}
	_, _ = c.Write([]byte(texts[i%len(texts)]))
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = c.Read(make([]byte, 1))
}
