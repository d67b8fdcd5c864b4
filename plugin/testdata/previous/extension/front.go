//go:build unix

package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// front is an HTTP server that loses no connection that it has accepted. http.Server.Shutdown may lose the last one.
type front struct {
	net.Listener
	server http.Server
	served chan struct{} // closed when nothing is accepted any more
	open   sync.WaitGroup
	count  atomic.Int32 // of what is open
}

func newFront(ln net.Listener, h http.Handler) *front {
	return &front{Listener: ln, server: http.Server{Handler: h, ReadHeaderTimeout: time.Minute}, served: make(chan struct{})}
}

// run accepts until close.
func (f *front) run() {
	defer close(f.served)
	_ = f.server.Serve(f) // the listener is closed
}

// Accept counts what it returns.
func (f *front) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	f.open.Add(1)
	f.count.Add(1)
	return &counted{Conn: c, closed: sync.OnceFunc(func() {
		f.count.Add(-1)
		f.open.Done()
	})}, nil
}

func (f *front) close() {
	_ = f.Listener.Close()
	<-f.served
	f.server.SetKeepAlivesEnabled(false)
}

// finish waits for what is open, and returns how much of it is left when ctx ends.
func (f *front) finish(ctx context.Context) int32 {
	none := make(chan struct{})
	go func() {
		f.open.Wait()
		close(none)
	}()
	select {
	case <-none:
	case <-ctx.Done():
	}
	return f.count.Load()
}

type counted struct {
	net.Conn
	closed func()
}

func (c *counted) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
