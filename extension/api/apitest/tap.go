package apitest

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Tap reads along what clients in any language and a server say to each other, and holds it against the contract. It passes
// every byte on as it comes, and changes none, so that neither side notices more of it than one connection for another. What
// is cut off by the end of a connection is not judged, and neither is what follows something that is not HTTP.
type Tap struct {
	exchanges *Exchanges
	frames    *Frames
	listener  net.Listener
	server    string // its address
	reading   sync.WaitGroup
	answers   atomic.Int64
	messages  atomic.Int64

	mu    sync.Mutex
	t     T // nil = the test is over, and may not be failed any more
	conns map[net.Conn]bool
}

// Listen makes a tap that takes connections from listener, which it closes in the end, to the server at an address of TCP. It
// fails t for whatever is not as the documents say, and ends with t.
func Listen(t T, listener net.Listener, server string, exchanges *Exchanges, frames *Frames) *Tap {
	p := &Tap{exchanges: exchanges, frames: frames, listener: listener, server: server, t: t, conns: map[net.Conn]bool{}}
	p.reading.Go(p.accept)
	t.Cleanup(p.end)
	return p
}

// Judged returns how many answers, and how many events and frames of the server, were held against the contract.
func (p *Tap) Judged() (answers, messages int) { return int(p.answers.Load()), int(p.messages.Load()) }

func (p *Tap) end() {
	p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		c.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.reading.Wait() // what came until now is judged
	p.mu.Lock()
	p.t = nil
	p.mu.Unlock()
}

func (p *Tap) fail(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.t != nil {
		p.t.Helper()
		p.t.Errorf(format, args...)
	}
}

func (p *Tap) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.reading.Go(func() { p.pass(client) })
	}
}

// keep has a connection closed at the end, and reports false if that is now.
func (p *Tap) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Tap) drop(c net.Conn) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
	c.Close()
}

func (p *Tap) pass(client net.Conn) {
	if !p.keep(client) {
		return
	}
	defer p.drop(client)
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.(*net.TCPConn).SetLinger(0) // nobody is there: a reset says so sooner than an end
		return
	}
	if !p.keep(server) {
		return
	}
	defer p.drop(server)
	asked, answered := newHeard(), newHeard()
	p.reading.Go(newConversation(p, asked, answered).judge)
	var asking sync.WaitGroup
	asking.Go(func() { through(server, client, asked) })
	through(client, server, answered)
	asking.Wait()
}

// through passes on what comes from one side. Its end is passed on as an end, which is that of one direction; when it breaks,
// both are over.
func through(to, from net.Conn, along *heard) {
	defer along.close()
	if _, err := io.Copy(to, io.TeeReader(from, along)); err != nil && !errors.Is(err, io.EOF) {
		to.Close()
		from.Close()
		return
	}
	_ = to.(*net.TCPConn).CloseWrite()
}
