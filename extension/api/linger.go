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
	if tcp, ok := c.(*net.TCPConn); ok {
		return &lingerConn{TCPConn: tcp}, err
	}
	return c, err
}

type lingerConn struct {
	*net.TCPConn
	linger atomic.Bool
}

// Close lets the client read what was written, if linger was asked for.
func (c *lingerConn) Close() error {
	if c.linger.Load() && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(c.TCPConn, lingerBytes))
	}
	return c.TCPConn.Close()
}

// lingerFor makes the connection of a request that was not read to its end close without a reset.
func lingerFor(rc *fasthttp.RequestCtx) {
	if c, ok := rc.Conn().(*lingerConn); ok {
		c.linger.Store(true)
	}
}
