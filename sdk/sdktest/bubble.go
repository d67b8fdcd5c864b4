package sdktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc/test/bufconn"
)

// network has its listeners in memory. A nil one is that of the system.
type network struct {
	mu        sync.Mutex
	listeners map[string]*bufconn.Listener
}

// listen returns what sdk.Environment has for it; nil = that of the system.
func (n *network) listen() func(ctx context.Context, network, address string) (net.Listener, error) {
	if n == nil {
		return nil
	}
	return func(_ context.Context, _, address string) (net.Listener, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if host, port, err := net.SplitHostPort(address); err == nil && port == "0" {
			address = net.JoinHostPort(host, fmt.Sprint(len(n.listeners)+1))
		}
		if _, taken := n.listeners[address]; taken {
			return nil, fmt.Errorf("listen on %s: the address is in use", address)
		}
		ln := bufconn.Listen(bufferBytes)
		n.listeners[address] = ln
		return memoryListener{ln, memoryAddr(address)}, nil
	}
}

// client returns a client whose connections end with the test.
func (n *network) client(t testing.TB) *http.Client {
	transport := &http.Transport{}
	if n != nil {
		transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) {
			n.mu.Lock()
			ln, ok := n.listeners[address]
			n.mu.Unlock()
			if !ok {
				return nil, fmt.Errorf("the extension does not listen on %s", address)
			}
			return ln.DialContext(ctx)
		}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// memoryListener has the address that was asked for, and connections with the methods of those of TCP.
type memoryListener struct {
	*bufconn.Listener
	addr memoryAddr
}

func (l memoryListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil { // which is that it is closed
		return nil, &net.OpError{Op: "accept", Net: l.addr.Network(), Addr: l.addr, Err: net.ErrClosed}
	}
	return memoryConn{c}, nil
}

func (l memoryListener) Addr() net.Addr { return l.addr }

type memoryAddr string

func (memoryAddr) Network() string  { return "tcp" }
func (a memoryAddr) String() string { return string(a) }

// memoryConn has no descriptor, so that it does not move to another generation.
type memoryConn struct{ net.Conn }

func (memoryConn) SyscallConn() (syscall.RawConn, error) { return nil, errors.ErrUnsupported }

func (c memoryConn) CloseWrite() error { return c.Close() }
