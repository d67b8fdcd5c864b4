package ws

import "encoding/binary"

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
	b := make([]byte, 0, 10+len(payload))
	switch n := len(payload); {
	case n < 126:
		b = append(b, final|opText, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, final|opText, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, final|opText, 127), uint64(n))
	}
	return append(b, payload...)
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
