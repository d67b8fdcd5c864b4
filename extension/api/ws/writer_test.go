package ws

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// startWriting runs the writer of a session without a reader, whose heartbeat is far off, and returns the client's end.
func startWriting(t *testing.T) (s *session, client net.Conn, done chan struct{}) {
	srv := newTestServer(nil)
	srv.opts.Limits.Heartbeat, srv.opts.Limits.AuthTimeout = time.Hour, time.Hour
	server, client := net.Pipe() // which has no buffer at all
	t.Cleanup(func() { _ = client.Close() })
	s = &session{srv: srv, net: server, out: newOutbox(1 << 20), log: slog.New(slog.DiscardHandler)}
	done = make(chan struct{})
	go func() { s.write(nil); _ = server.Close(); close(done) }()
	return s, client, done
}

// TestStalledClientIsTooSlow: a client is too slow when it has read nothing for stallTimeout, however little waits for it,
// and is told so if it reads again in time.
func TestStalledClientIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, done := startWriting(t)
		begin := time.Now()
		first, second := textFrame([]byte("first")), textFrame([]byte("second"))
		s.out.put(first)
		synctest.Wait() // it is being written
		s.out.put(second)
		<-s.out.ended
		if took := time.Since(begin); took != stallTimeout {
			t.Errorf("given up after %v", took)
		}
		time.Sleep(farewellTimeout - time.Millisecond) // of a bubble: no time passes
		got, _ := io.ReadAll(client)
		if want := append(first, closeFrame(CloseSlow, "too slow: nothing was read for 5s")...); !bytes.Equal(got, want) {
			t.Errorf("read %q, want %q", got, want)
		}
		<-done
	})
	synctest.Test(t, func(t *testing.T) { // and it does not read again
		s, _, done := startWriting(t)
		begin := time.Now()
		s.out.put(textFrame([]byte("x")))
		<-done
		if took := time.Since(begin); took != stallTimeout+farewellTimeout {
			t.Errorf("ended after %v", took)
		}
	})
}

// TestSlowReaderIsNotTooSlow reads a little every now and then, for much longer than stallTimeout.
func TestSlowReaderIsNotTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, done := startWriting(t)
		frame := textFrame(bytes.Repeat([]byte("x"), 1000))
		for range 10 {
			s.out.put(frame)
		}
		some, got := make([]byte, 100), 0
		for got < 10*len(frame) {
			time.Sleep(stallTimeout - time.Millisecond)
			n, err := client.Read(some)
			if err != nil {
				t.Fatalf("after %d bytes: %v", got, err)
			}
			got += n
		}
		synctest.Wait()
		if s.out.finishing() {
			t.Error("the client was given up")
		}
		s.out.finish(farewell{code: CloseRestart})
		rest, _ := io.ReadAll(client)
		if <-done; !bytes.Equal(rest, closeFrame(CloseRestart, "")) {
			t.Errorf("the rest is %q", rest)
		}
	})
}

// TestFarewellIsBounded: a client that reads slowly does not hold up the end for as long as it likes.
func TestFarewellIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client, done := startWriting(t)
		s.out.put(make([]byte, 1<<19))
		synctest.Wait()
		begin := time.Now()
		s.out.finish(farewell{code: CloseRestart})
		var reading sync.WaitGroup
		reading.Go(func() {
			for some := make([]byte, 100); ; time.Sleep(time.Second) {
				if _, err := client.Read(some); err != nil {
					return
				}
			}
		})
		defer reading.Wait()
		<-done
		if took := time.Since(begin); took > stallTimeout+farewellTimeout {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestErrorFrames(t *testing.T) {
	s := &session{log: slog.New(slog.DiscardHandler)}
	for after, want := range map[time.Duration]int64{
		0: 0, 1: 1, 300 * time.Microsecond: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Second: 1000,
	} {
		f := s.problem("error", nil, &schema.Error{Code: schema.CodeRateLimited, RetryAfter: after})
		if f.RetryAfterMs != want || len(f.RequestID) != len("req_")+26 {
			t.Errorf("%v is %+v", after, f)
		}
	}
}

// TestServerFaultsAreFound: an error that tells the client to look into the log can be found there.
func TestServerFaultsAreFound(t *testing.T) {
	var log bytes.Buffer
	s := &session{log: slog.New(slog.NewJSONHandler(&log, nil))}
	s.problem("error", nil, schema.Errorf(schema.CodeInvalidArgument, "no"))
	if log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
	f := s.problem("error", nil, schema.Errorf(schema.CodeUnavailable, "the cause"))
	var line struct{ Level, Request, Error string }
	if err := json.Unmarshal(log.Bytes(), &line); err != nil || line.Request != f.RequestID || line.Level != "WARN" || line.Error == "" {
		t.Errorf("logged %s", &log)
	}
}
