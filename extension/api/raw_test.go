package api_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// rawSocket is a WebSocket that does nothing by itself: it answers no ping and reads only when told to.
type rawSocket struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// dialRaw opens a socket with a small receive buffer.
func dialRaw(t testing.TB, w *world, token string) *rawSocket {
	t.Helper()
	c, err := net.Dial("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(32 << 10)
	r := upgraded(t, c, token)
	if r == nil {
		t.FailNow()
	}
	return r
}

// upgraded makes c a WebSocket; nil if that fails, which has been reported then.
func upgraded(t testing.TB, c net.Conn, token string) *rawSocket {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(3 * patience))
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer %s\r\n\r\n", token)
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("upgrade: %v %v", resp, err)
		return nil
	}
	return &rawSocket{t, c, in}
}

// send writes one masked text frame; the mask is zero.
func (r *rawSocket) send(t testing.TB, text string) {
	t.Helper()
	b := []byte{0x81}
	switch n := len(text); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	default:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	}
	if _, err := r.conn.Write(append(append(b, 0, 0, 0, 0), text...)); err != nil {
		t.Errorf("send: %v", err)
	}
}

// frame reads one frame.
func (r *rawSocket) frame() (op byte, payload []byte, err error) {
	var h [2]byte
	if _, err := io.ReadFull(r.in, h[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(h[1] & 0x7f)
	switch n {
	case 126:
		var b [2]byte
		_, err = io.ReadFull(r.in, b[:])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		_, err = io.ReadFull(r.in, b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	if _, err = io.ReadFull(r.in, payload); err == nil && h[0] == 0x81 {
		checkFrame(r.t, payload)
	}
	return h[0] & 0x0f, payload, err
}

// readUntilClose reads frames until the close frame, and returns its code. -1 is a connection that just ended, which a
// test may allow.
func (r *rawSocket) readUntilClose(t testing.TB, mayBreak bool) int {
	t.Helper()
	for {
		op, payload, err := r.frame()
		switch {
		case err != nil && mayBreak:
			return -1
		case err != nil:
			t.Fatalf("read: %v", err)
		case op == 8 && len(payload) >= 2:
			return int(binary.BigEndian.Uint16(payload))
		}
	}
}
