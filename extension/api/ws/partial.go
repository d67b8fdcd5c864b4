package ws

import "encoding/binary"

// partial keeps what a client has sent of a message that is not complete yet, so that another process can read it again
// from its beginning. It is fed everything that is read, before the library sees it, and asked when the library waits for
// more. A control frame between the fragments of a message is kept with it, and may be answered twice.
type partial struct {
	limit int    // of what is kept, in bytes
	kept  []byte // since the end of the last message
	lost  bool   // there was more than that

	head   [10]byte // of the frame that begins, but for its mask
	filled int
	left   uint64 // of the frame, with its mask
	open   bool   // a fragmented message is not complete
}

// feed takes what was read next.
func (p *partial) feed(b []byte) {
	for len(b) > 0 {
		n := p.advance(b)
		if len(p.kept)+n > p.limit {
			p.lost = true
		} else {
			p.kept = append(p.kept, b[:n]...)
		}
		b = b[n:]
		if p.filled == 0 && p.left == 0 && !p.open {
			p.kept, p.lost = p.kept[:0], false
		}
	}
	if len(p.kept) == 0 && cap(p.kept) > 4<<10 {
		p.kept = nil // one large message must not cost an idle socket its memory
	}
}

// advance goes on to the end of the head or of the frame, whichever comes first, or of b, and returns how far that is.
func (p *partial) advance(b []byte) int {
	if p.left > 0 {
		n := int(min(p.left, uint64(len(b))))
		p.left -= uint64(n)
		return n
	}
	n := 0
	for n < len(b) {
		p.head[p.filled] = b[n]
		p.filled++
		n++
		if p.filled == headLength(p.head[:p.filled]) {
			p.begin()
			return n
		}
	}
	return n
}

// begin reads the head of a frame.
func (p *partial) begin() {
	p.filled = 0
	switch length := p.head[1] & 0x7f; length {
	case 126:
		p.left = uint64(binary.BigEndian.Uint16(p.head[2:]))
	case 127:
		p.left = binary.BigEndian.Uint64(p.head[2:])
	default:
		p.left = uint64(length)
	}
	if p.head[1]&0x80 != 0 {
		p.left += 4 // the mask
	}
	if p.head[0]&0x0f < opClose { // control frames have no part in a message
		p.open = p.head[0]&final == 0
	}
}

// headLength returns how long a head is that begins like this, without its mask; more than there is while that is not known.
func headLength(head []byte) int {
	if len(head) < 2 {
		return 2
	}
	switch head[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// unread returns what has to be read again; ok is false where not all of it was kept.
func (p *partial) unread() (b []byte, ok bool) { return p.kept, !p.lost }
