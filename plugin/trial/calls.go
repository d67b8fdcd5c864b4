package trial

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/schema/conform"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// visitTimeout bounds one visit, of which nothing is expected.
const visitTimeout = 2 * time.Second

// callGroup has the checks of how an extension calls its host.
func (p Program) callGroup() conform.Group {
	return conform.Group{Name: "extension/calls", Checks: []conform.Check{
		{Name: "carry-a-caller", Expect: "without a client that has shown a token, its calls are its own or those of a guest of its own", Contract: calling, Run: p.callers},
	}}
}

// callers starts the program, sends a visitor to where it listens, and looks at whose calls come.
func (p Program) callers(t conform.T) {
	var w witness
	r, listeners, _ := p.begunWith(t, w.register)
	visit(listeners)
	if err := r.Health(bound(t, callTimeout)); err != nil {
		t.Errorf("Health = %v", err)
	}
	calls := w.all()
	if len(calls) == 0 {
		t.Skipf("it calls nothing by itself, and nothing for a visitor")
	}
	for _, c := range calls {
		if c.principal != "extension:"+r.name && !strings.HasPrefix(c.principal, r.name+":") {
			t.Errorf("%s is called by %q; that may be extension:%s, or a guest such as %s:visitor", c.method, c.principal, r.name, r.name)
		}
	}
}

// visit asks for the first page of each address. Whatever comes of it is as well.
func visit(addresses []string) {
	client := http.Client{Timeout: visitTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, address := range addresses {
		if resp, err := client.Get("http://" + address + "/"); err == nil {
			_ = resp.Body.Close()
		}
	}
}

// call is one that the host has got.
type call struct{ method, principal string }

// witness sees whose calls come to services.
type witness struct {
	mu    sync.Mutex
	calls []call
}

func (w *witness) all() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// saw takes note of a request that is made for somebody.
func (w *witness) saw(method string, request any) {
	if m, ok := request.(interface{ GetCaller() *pb.Caller }); ok {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls = append(w.calls, call{method, m.GetCaller().GetPrincipal()})
	}
}

// register returns a registrar of services on r whose calls are seen.
func (w *witness) register(r grpc.ServiceRegistrar) grpc.ServiceRegistrar { return watched{r, w} }

type watched struct {
	grpc.ServiceRegistrar
	w *witness
}

func (x watched) RegisterService(d *grpc.ServiceDesc, impl any) {
	seen := *d
	seen.Methods, seen.Streams = slices.Clone(d.Methods), slices.Clone(d.Streams)
	for i, m := range d.Methods {
		next, method := m.Handler, d.ServiceName+"/"+m.MethodName
		seen.Methods[i].Handler = func(srv any, ctx context.Context, decode func(any) error, in grpc.UnaryServerInterceptor) (any, error) {
			return next(srv, ctx, func(m any) error {
				err := decode(m)
				if err == nil {
					x.w.saw(method, m)
				}
				return err
			}, in)
		}
	}
	for i, s := range d.Streams {
		next, method := s.Handler, d.ServiceName+"/"+s.StreamName
		seen.Streams[i].Handler = func(srv any, stream grpc.ServerStream) error {
			return next(srv, watchedStream{stream, x.w, method})
		}
	}
	x.ServiceRegistrar.RegisterService(&seen, impl)
}

type watchedStream struct {
	grpc.ServerStream
	w      *witness
	method string
}

func (s watchedStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if err == nil {
		s.w.saw(s.method, m)
	}
	return err
}
