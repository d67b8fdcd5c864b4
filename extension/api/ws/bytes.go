package ws

import (
	"encoding/binary"
	"strconv"
)

// The frames of RFC 6455 as a server sends them: whole, unmasked and uncompressed. They are made here, and not by the
// library, so that one event is framed once for all sockets and many pending frames go out in one write.
const (
	final    = 0x80
	opText   = 0x1
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
	maxReply = 123 // bytes of the reason of a close frame
)

// textFrame returns payload as a text frame.
func textFrame(payload []byte) []byte {
	return append(appendTextHead(make([]byte, 0, 10+len(payload)), len(payload)), payload...)
}

// appendTextHead appends what stands before n bytes of text.
func appendTextHead(b []byte, n int) []byte {
	switch {
	case n < 126:
		return append(b, final|opText, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, final|opText, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, final|opText, 127), uint64(n))
	}
}

// item is what waits to be written to one socket: a whole frame, or the JSON of an event, which all sockets share and which
// becomes a frame of this one when it is written.
type item struct {
	bytes []byte
	after uint64 // of an event: one more than the number of the one before it on this socket; 0 = a whole frame
}

// eventItem returns the event behind the one numbered prev.
func eventItem(json []byte, prev uint64) item { return item{bytes: json, after: prev + 1} }

// prevMember is the member of an event frame that differs from socket to socket.
const prevMember = `,"prevSeq":`

// appendTo appends the frame.
func (i item) appendTo(b []byte) []byte {
	if i.after == 0 {
		return append(b, i.bytes...)
	}
	var digits [20]byte
	prev := strconv.AppendUint(digits[:0], i.after-1, 10)
	b = appendTextHead(b, len(i.bytes)+len(prevMember)+len(prev))
	b = append(b, i.bytes[:len(i.bytes)-1]...) // without the brace at its end
	b = append(append(b, prevMember...), prev...)
	return append(b, '}')
}

// controlFrame returns a ping, a pong or a close; payload has at most 125 bytes.
func controlFrame(op byte, payload []byte) []byte {
	return append([]byte{final | op, byte(len(payload))}, payload...)
}

// closeFrame returns a close frame; code 0 is one without a code.
func closeFrame(code int, reason string) []byte {
	if code == 0 {
		return controlFrame(opClose, nil)
	}
	if len(reason) > maxReply {
		reason = reason[:maxReply] // ours are ASCII
	}
	return controlFrame(opClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}
