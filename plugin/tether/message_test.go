package tether

import (
	"testing"
	"unicode/utf8"
)

func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"id":1,"op":"listen","network":"tcp","address":"127.0.0.1:3001"}`))
	f.Add([]byte(`{"id":1,"errno":98,"error":"taken"}`))
	f.Add([]byte(`{"id":-1}{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := parseRequest(b); err == nil {
			if len(r.Address) > maxAddress || r.Op != opListen {
				t.Errorf("accepted %+v", r)
			}
			if again, err := parseRequest(encode(r)); utf8.Valid(b) && (err != nil || again != r) {
				t.Errorf("%+v became %+v, %v", r, again, err)
			}
		}
		if r, err := parseReply(b); err == nil {
			if again, err := parseReply(encode(r)); utf8.Valid(b) && len(encode(r)) <= maxMessage && (err != nil || again != r) {
				t.Errorf("%+v became %+v, %v", r, again, err)
			}
		}
	})
}
