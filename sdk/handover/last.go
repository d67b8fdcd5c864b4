package handover

import "time"

// defaultGrace is how long a connection that cannot move, and on which nothing happens, stays open while its process leaves.
// It is for clients that were about to send a request.
const defaultGrace = 5 * time.Second

// tlsHandshake is the first byte of every connection of TLS, and of none of HTTP.
const tlsHandshake = 0x16

// Last reports whether the next answer on the connection should be the last one, and say so (Connection: close): its process
// leaves, and it cannot move, because there is nowhere to move to, or because somebody has read what nobody can hand over:
// the keys of TLS, or requests that the client has sent ahead. A client that is told so loses nothing.
func (c *Conn) Last() bool {
	return c.l.set.isLeaving() && (c.sealed.Load() || c.ahead.Load() || c.l.set.successor() == nil)
}

// touch notes that something has happened on the connection.
func (c *Conn) touch() { c.touched.Store(time.Now().UnixNano()) }

// spent reports whether the connection may be closed: it cannot move, has no request in flight, and nothing has happened on
// it for the grace of the set.
func (c *Conn) spent(now time.Time) bool {
	since := max(c.touched.Load(), c.l.set.since.Load())
	return c.Last() && !c.working.Load() && now.Sub(time.Unix(0, since)) >= c.l.set.grace
}
