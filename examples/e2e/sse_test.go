//go:build unix

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// stream follows events by nothing but HTTP, as "curl -N" does, and connects again from the last id like a browser.
type stream struct {
	s     *server
	query string
	last  string // the id of the last block
	resp  *http.Response
	in    *bufio.Reader
}

// open connects, again if need be, and reads the first block.
func (x *stream) open(ctx context.Context, c *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.s.base+"/api/events"+x.query, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+x.s.token)
	if x.last != "" {
		req.Header.Set("Last-Event-ID", x.last)
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return fmt.Errorf("GET /api/events = %d", resp.StatusCode)
	}
	x.resp, x.in = resp, bufio.NewReader(resp.Body)
	_, err = x.next()
	return err
}

// next returns the data of the next block that has any.
func (x *stream) next() (frame, error) {
	var f frame
	id, kind := "", ""
	for {
		line, err := x.in.ReadString('\n')
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); {
		case err != nil:
			return nil, err
		case name == "id":
			id = value
		case name == "event":
			kind = value
		case name == "data":
			if kind != "ack" { // which is that of a request, and not of a command
				checkFrame(x.s.t, []byte(value))
			}
			if err := json.Unmarshal([]byte(value), &f); err != nil {
				return nil, err
			}
		case line == "\n" && f != nil:
			x.last = id
			return f, nil
		}
	}
}

// TestStreamSurvivesTheAPIProcess kills the process twice while events flow: whoever goes on from the last id gets
// every event once, in order, and the log read page by page says the same.
func TestStreamSurvivesTheAPIProcess(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := newClient(t)
	c.Timeout = 0
	x := &stream{s: s, query: "?events=updated&agents=nyx"}
	if err := x.open(ctx, c); err != nil {
		t.Fatal(err)
	}
	begin := x.last
	const updates = 120
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		w := newClient(t)
		for n := 0; n < updates && ctx.Err() == nil; {
			// A request that the kill has hit may have been carried out: what is counted is that of the stream.
			a, err := s.try(w, s.token, http.MethodPut, "/api/agents/nyx", map[string]any{"metadata": map[string]any{"n": n}})
			if err == nil && a.StatusCode == http.StatusOK {
				n++
			}
		}
	})
	var ids []string
	for broken := 0; len(ids) < updates; {
		f, err := x.next()
		if err != nil { // killed, in the middle of a block perhaps
			x.resp.Body.Close()
			if broken++; broken > 2 {
				t.Fatalf("the stream broke again: %v", err)
			}
			eventually(t, "a stream", func() error { return x.open(ctx, c) })
			continue
		}
		if f.str("type") != "agent:updated" || f.str("id") != x.last {
			t.Fatalf("got %v", f)
		}
		if ids = append(ids, f.str("id")); len(ids) == updates/3 || len(ids) == 2*updates/3 {
			if err := syscall.Kill(s.children()[0], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	x.resp.Body.Close()
	writing.Wait()
	var listed []string
	for since, head := begin, ""; since != head; {
		a := s.do(newClient(t), http.StatusOK, http.MethodGet, "/api/events?limit=50&events=updated&agents=nyx&since="+since, nil)
		for _, e := range a.json["events"].([]any) {
			listed = append(listed, e.(map[string]any)["id"].(string))
		}
		since, head = a.json["nextCursor"].(string), a.json["head"].(string)
	}
	if len(listed) < updates || strings.Join(listed[:len(ids)], " ") != strings.Join(ids, " ") {
		t.Errorf("the stream told of\n%v\nand the log has\n%v", ids, listed)
	}
}

// TestShutdownEndsStreams at once, with the last comment.
func TestShutdownEndsStreams(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	c := newClient(t)
	x := &stream{s: s}
	if err := x.open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	defer x.resp.Body.Close()
	s.signal(syscall.SIGTERM)
	rest, err := io.ReadAll(x.in)
	if err != nil || !bytes.HasSuffix(rest, []byte(": the server is going; connect again\n\n")) {
		t.Errorf("the stream ended with %q, %v", rest, err)
	}
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestReadmeStream runs the command of the README, and sees in it what it promises.
func TestReadmeStream(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := section(t, string(b), "### Server-sent events")
	command := regexp.MustCompile("(?s)```sh\n(.*?)```").FindStringSubmatch(text)
	if command == nil {
		t.Fatalf("there is no command in %s", text)
	}
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	script := strings.NewReplacer("http://127.0.0.1:3001", s.base, "$STAGEHOUSE_TOKEN", s.token).Replace(command[1])
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	curl := exec.CommandContext(ctx, "sh", "-c", "exec "+script)
	out, err := curl.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := curl.Start(); err != nil {
		t.Fatal(err)
	}
	x := &stream{s: s, in: bufio.NewReader(out)}
	if f, err := x.next(); err != nil || f.str("type") != "subscribed" {
		t.Fatalf("the stream begins with %v, %v", f, err)
	}
	s.do(newClient(t), http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "Hello!"})
	for f := (frame{}); f.str("type") != "chat:reply"; {
		if f, err = x.next(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	var exit *exec.ExitError
	if err := curl.Wait(); err != nil && !errors.As(err, &exit) {
		t.Error(err)
	}
}
