package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/schema"
)

func TestClosed(t *testing.T) {
	said := hints{again: time.Second, pause: time.Minute, denied: &Error{Code: schema.CodeUnauthenticated, Message: "said before"}}
	for _, x := range []struct {
		said  hints
		err   error
		final bool
		wait  time.Duration
		code  schema.ErrorCode
	}{
		{hints{}, errors.New("reset"), false, 0, schema.CodeInternal},
		{said, errors.New("reset"), false, time.Second, schema.CodeInternal},
		{said, websocket.CloseError{Code: 1012}, false, time.Second, schema.CodeInternal},
		{hints{}, websocket.CloseError{Code: 1001}, false, 0, schema.CodeInternal},
		{hints{}, websocket.CloseError{Code: 1013}, false, 0, schema.CodeInternal},
		{said, websocket.CloseError{Code: 4429}, false, time.Minute, schema.CodeInternal},
		{hints{}, websocket.CloseError{Code: 4429}, false, limitPause, schema.CodeInternal},
		{said, websocket.CloseError{Code: 4401}, true, time.Second, schema.CodeUnauthenticated},
		{hints{}, websocket.CloseError{Code: 4401}, true, 0, schema.CodeUnauthenticated},
		{hints{}, websocket.CloseError{Code: 4403}, true, 0, schema.CodePermissionDenied},
		{hints{}, websocket.CloseError{Code: 4400}, true, 0, schema.CodeInternal},
		{hints{}, websocket.CloseError{Code: 1009}, true, 0, schema.CodeInternal},
	} {
		l := x.said.closed(fmt.Errorf("read: %w", x.err))
		if l.final != x.final || l.wait != x.wait || schema.CodeOf(l) != x.code {
			t.Errorf("%v after %+v: %+v", x.err, x.said, l)
		}
	}
}

// TestBackoff: the wait is never less than what the server asks for, and its bound doubles up to the most.
func TestBackoff(t *testing.T) {
	const tries = 200
	b := backoff{first: time.Second, most: 10 * time.Second}
	for failures, bound := range []time.Duration{1, 2, 4, 8, 10, 10} {
		bound *= time.Second
		var longest time.Duration
		for range tries {
			b.failures = failures
			wait := b.next(time.Minute) - time.Minute
			if wait < 0 || wait >= bound {
				t.Fatalf("after %d failures the wait is %v, and its bound %v", failures, wait, bound)
			}
			longest = max(longest, wait)
		}
		if longest < bound/2 {
			t.Errorf("after %d failures no wait of %d was longer than %v", failures, tries, longest)
		}
	}
	b.failures = 1000
	if wait := b.next(0); wait >= b.most {
		t.Errorf("after 1000 failures the wait is %v", wait)
	}
}

func TestWithout(t *testing.T) {
	for object, want := range map[string]string{
		`{"b":1,"a":{"prevSeq":2},"prevSeq":3}`:    `{"b":1,"a":{"prevSeq":2}}`,
		`{"prevSeq":3}`:                            `{}`,
		`{"prevSeq":3,"a":1}`:                      `{"a":1}`,
		`{"a":"\"prevSeq\":3"}`:                    `{"a":"\"prevSeq\":3"}`,
		`{"a":{"prevSeq":3}}`:                      `{"a":{"prevSeq":3}}`,
		`{"prevSeq":3,"b":",\"prevSeq\":4"}`:       `{"b":",\"prevSeq\":4"}`,
		`{"a":1,"prevSeq":3,"b":{"prevSeq":null}}`: `{"a":1,"b":{"prevSeq":null}}`,
	} {
		got, err := without(json.RawMessage(object), "prevSeq")
		if err != nil || string(got) != want {
			t.Errorf("without(%s) = %s, %v; want %s", object, got, err, want)
		}
	}
}

// FuzzFrame: whatever the server sends, it is read or refused.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{
		`{"type":"gap","id":"e-1"}`, `{"type":"x","id":"e-1","prevSeq":0}`, `{"type":"x","prevSeq":1}`, `{"type":"error","errors":3}`, `[]`, `{"type":"x","id":"e-1","a":"b","prevSeq":12}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := parse(websocket.MessageText, b)
		if err != nil || !fr.isEvent() {
			return
		}
		e, err := fr.event()
		if err != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(e.Payload, &members); err != nil {
			t.Errorf("the payload of %s is %s: %v", b, e.Payload, err)
		}
		if _, there := members["prevSeq"]; there && fr.PrevSeq != nil {
			t.Errorf("the payload of %s is %s", b, e.Payload)
		}
	})
}
