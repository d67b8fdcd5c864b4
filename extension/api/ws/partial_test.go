package ws

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// clientFrame returns a frame as a client sends it; the mask is zero.
func clientFrame(fin bool, op byte, payload []byte) []byte {
	b := []byte{op, 0x80}
	if fin {
		b[0] |= final
	}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// TestPartial cuts a stream of frames at every place: what is kept is what follows the last whole message.
func TestPartial(t *testing.T) {
	var stream []byte
	ends := map[int]bool{0: true} // where a message is complete
	add := func(whole bool, b []byte) {
		stream = append(stream, b...)
		ends[len(stream)] = whole
	}
	add(true, clientFrame(true, opText, []byte("short")))
	add(true, clientFrame(true, opText, nil))
	add(true, clientFrame(true, opPing, []byte("ping")))
	add(false, clientFrame(false, opText, bytes.Repeat([]byte("x"), 300)))
	add(false, clientFrame(true, opPing, nil)) // between two fragments
	add(false, clientFrame(false, 0, []byte("more")))
	add(true, clientFrame(true, 0, []byte("end")))
	small := len(stream)
	add(true, clientFrame(true, 2, bytes.Repeat([]byte("b"), 70_000)))
	for _, step := range []int{1, 2, 3, 7, 1000, len(stream)} {
		p := partial{limit: 1 << 20}
		begin := 0
		for at := 0; at < len(stream); {
			n := min(step, len(stream)-at)
			if at > small+20 { // within the large frame, every place is like the one before
				n = min(max(step, 1000), len(stream)-at)
			}
			p.feed(stream[at : at+n])
			for i := at + 1; i <= at+n; i++ {
				if ends[i] {
					begin = i
				}
			}
			at += n
			if got, ok := p.unread(); !ok || !bytes.Equal(got, stream[begin:at]) {
				t.Fatalf("in steps of %d, at %d: kept %d bytes, %v; want %d", step, at, len(got), ok, at-begin)
			}
		}
	}
}

func TestPartialIsBounded(t *testing.T) {
	p := partial{limit: 100}
	long := clientFrame(true, opText, make([]byte, 200))
	p.feed(long[:150])
	if got, ok := p.unread(); ok || len(got) > 100 {
		t.Errorf("kept %d bytes, %v", len(got), ok)
	}
	p.feed(long[150:])
	p.feed([]byte{0x81})
	if got, ok := p.unread(); !ok || !bytes.Equal(got, []byte{0x81}) {
		t.Errorf("after the message: %v, %v", got, ok)
	}
}

// FuzzPartial feeds whatever there is, in two parts or in one: it makes no difference, and nothing is kept that was not sent.
func FuzzPartial(f *testing.F) {
	f.Add(clientFrame(true, opText, []byte("hello")), 3)
	f.Add(clientFrame(false, opText, make([]byte, 200)), 100)
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 2)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) {
			return
		}
		one, two := partial{limit: 1 << 20}, partial{limit: 1 << 20}
		one.feed(data)
		two.feed(data[:cut])
		two.feed(data[cut:])
		a, okA := one.unread()
		b, okB := two.unread()
		if okA != okB || !bytes.Equal(a, b) || !bytes.HasSuffix(data, a) {
			t.Fatalf("%x cut at %d: %x, %v and %x, %v", data, cut, a, okA, b, okB)
		}
	})
}
