package api

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Bounds of lingering.
const (
	lingerTime  = time.Second
	lingerBytes = 64 << 20
)

// lingering accepts connections that can be closed without a reset. fasthttp answers a request that is too large before
// it has read it, and closes: the kernel then resets the connection, and with it the answer that the client has not read.
type lingering struct{ net.Listener }

func (l lingering) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if half, ok := c.(halfCloser); ok {
		return &lingerConn{halfCloser: half}, err
	}
	return c, err
}

// halfCloser is a connection whose sending side can be closed alone.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

type lingerConn struct {
	halfCloser
	linger atomic.Bool
}

// NetConn returns the connection below.
func (c *lingerConn) NetConn() net.Conn { return c.halfCloser }

// SetWriteBuffer sets the size of the kernel's buffer, where there is one.
func (c *lingerConn) SetWriteBuffer(n int) error {
	if b, ok := c.halfCloser.(interface{ SetWriteBuffer(int) error }); ok {
		return b.SetWriteBuffer(n)
	}
	return nil
}

// Close lets the client read what was written, if linger was asked for.
func (c *lingerConn) Close() error {
	if c.linger.Load() && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(c.halfCloser, lingerBytes))
	}
	return c.halfCloser.Close()
}

// lingerFor makes the connection of a request that was not read to its end close without a reset.
func lingerFor(rc *fasthttp.RequestCtx) {
	if c, ok := rc.Conn().(*lingerConn); ok {
		c.linger.Store(true)
	}
}
