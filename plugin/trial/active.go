package trial

import (
	"os"
	"syscall"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// activeGroup has the checks of how a process ends that is active, and whose host has not released it.
func (r Runtime) activeGroup() conform.Group {
	return conform.Group{Name: "runtime/active", Checks: []conform.Check{
		{Name: "lifeline", Expect: "when its host is gone while it is active, it exits, and what was acknowledged is kept", Contract: theTether, Run: r.activeLifeline},
		{Name: "sigterm", Expect: "at SIGTERM while it is active it exits, and what was acknowledged is kept", Contract: itsEnd, Run: r.activeSigterm},
	}}
}

// active is a process that a host has activated.
type active struct {
	*running
	services schema.Services
}

// activate runs a process and activates it in a directory.
func (r Runtime) activate(t conform.T, dir string) active {
	t.Helper()
	p := Program{Spec: r.Spec, Services: func(conform.T) schema.Services { return schema.Services{} }}
	x, _, _ := p.begun(t)
	if _, err := pb.NewRuntimeClient(x.proc.Conn()).Activate(bound(t, startTimeout), &pb.ActivateRequest{Directory: dir}); err != nil {
		t.Fatalf("Activate: %v", wire.FromStatus(err))
	}
	return active{running: x, services: wire.Dial(x.proc.Conn(), x.introduced.GetOffers())}
}

// outlives ends an active process, and looks for what it had acknowledged in the next one, where it keeps something.
func (r Runtime) outlives(t conform.T, after string, end func(*running) error) {
	dir := t.TempDir()
	before := r.activate(t, dir)
	ctx := caller(t, startTimeout*2)
	keeps := !r.Forgets && before.services.Memory != nil
	var item schema.MemoryItem
	if keeps {
		var err error
		if item, err = before.services.Memory.Store(ctx, schema.NewMemory{AgentID: "nyx", Content: "kept"}); err != nil {
			t.Fatalf("store: %v", err)
		}
	}
	if err := end(before.running); err != nil {
		t.Fatalf("%s: %v", after, err)
	}
	before.ends(t, after)
	if !keeps || t.Failed() {
		return
	}
	got, err := r.activate(t, dir).services.Memory.Get(ctx, "nyx", item.ID)
	if err != nil || got.Content != "kept" {
		t.Errorf("of a memory that was acknowledged there is %+v (%v) after %s", got, err, after)
	}
}

func (r Runtime) activeLifeline(t conform.T) {
	r.outlives(t, "the end of its lifeline", func(x *running) error { return x.proc.Abandon() })
}

func (r Runtime) activeSigterm(t conform.T) {
	r.outlives(t, "SIGTERM", func(x *running) error {
		self, err := os.FindProcess(x.proc.PID())
		if err == nil {
			err = self.Signal(syscall.SIGTERM)
		}
		if err != nil {
			t.Skipf("it cannot be sent SIGTERM here: %v", err)
		}
		return nil
	})
}
