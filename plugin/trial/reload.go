package trial

import (
	"net"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// anotherBlock is where the contract of Reload is written.
const anotherBlock = "docs/protocol.md#another-block"

// reloadGroup has the checks of an extension that takes another block while it serves.
func (p Program) reloadGroup() conform.Group {
	return conform.Group{Name: "extension/reload", Checks: []conform.Check{
		{Name: "its-own-block", Expect: "the block that it has is taken, or declined, and it serves on where it did", Contract: anotherBlock, Run: p.reloadOwn},
		{Name: "unknown-key", Expect: "a block with an unknown key is a problem, and it serves on", Contract: anotherBlock, Run: p.reloadUnknown},
		{Name: "out-of-order", Expect: "before its start and after its drain no block is taken", Contract: anotherBlock, Run: p.reloadOutOfOrder},
	}}
}

// reload hands another block over, and skips the check if the extension takes none.
func (r *running) reload(t conform.T, block []byte) (*pb.ReloadResponse, error) {
	t.Helper()
	out, err := r.client.Reload(bound(t, callTimeout), &pb.ReloadRequest{Config: block})
	if status.Code(err) == codes.Unimplemented {
		t.Skipf("it takes no other block while it serves")
	}
	return out, err
}

// servesOn fails the check unless it is well, and somebody accepts at its listeners.
func (r *running) servesOn(t conform.T, listeners []string) {
	t.Helper()
	if err := r.Health(bound(t, callTimeout)); err != nil {
		t.Errorf("Health = %v", err)
	}
	for _, address := range listeners {
		c, err := net.DialTimeout("tcp", address, callTimeout)
		if err != nil {
			t.Errorf("connect to %s: %v", address, err)
			continue
		}
		_ = c.Close() // nothing was written
	}
}

// refuses reports whether an answer says that the block is wrong.
func refuses(out *pb.ReloadResponse) bool {
	return slices.ContainsFunc(out.GetProblems(), func(p *pb.Problem) bool { return p.GetSeverity() == string(schema.SeverityError) })
}

func (p Program) reloadOwn(t conform.T) {
	r, listeners, _ := p.begun(t)
	block := p.Spec.Config
	if len(block) == 0 {
		block = []byte("{}")
	}
	out, err := r.reload(t, block)
	if err != nil || refuses(out) {
		t.Errorf("Reload with the block that it has: %v, %v", out.GetProblems(), err)
	}
	r.servesOn(t, listeners)
}

func (p Program) reloadUnknown(t conform.T) {
	r, listeners, _ := p.begun(t)
	out, err := r.reload(t, p.badBlock(t).Config)
	if err != nil || !refuses(out) {
		t.Errorf("Reload with an unknown key: problems %v, %v", out.GetProblems(), err)
	}
	r.servesOn(t, listeners)
}

func (p Program) reloadOutOfOrder(t conform.T) {
	early := p.open(t, p.Services(t))
	if _, err := early.Init(bound(t, callTimeout)); err != nil {
		t.Fatalf("Init: %v", err)
	}
	if _, err := early.reload(t, []byte("{}")); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("Reload before its start = %v, want FAILED_PRECONDITION", err)
	}
	late, _, _ := p.begun(t)
	if _, err := late.Drain(bound(t, startTimeout), drainTimeout); err != nil {
		t.Fatalf("Drain: %v", err)
	}
	if _, err := late.reload(t, []byte("{}")); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("Reload after its drain = %v, want FAILED_PRECONDITION", err)
	}
}
