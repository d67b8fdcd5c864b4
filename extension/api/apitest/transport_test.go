package apitest_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// clientOf is a client whose exchanges with server j is told of.
func clientOf(t *testing.T, j *judged, server http.HandlerFunc) (client *http.Client, url string) {
	t.Helper()
	s := httptest.NewServer(server)
	t.Cleanup(s.Close)
	client = &http.Client{Transport: published().Transport(j, &http.Transport{})}
	t.Cleanup(client.CloseIdleConnections)
	return client, s.URL
}

// TestAStreamIsNotWaitedFor: its beginning is read while it goes on.
func TestAStreamIsNotWaitedFor(t *testing.T) {
	read := make(chan struct{})
	j := &judged{}
	client, url := clientOf(t, j, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Request-Id", "req_1")
		_, _ = io.WriteString(w, "data: one\n")
		w.(http.Flusher).Flush()
		<-read
		_, _ = io.WriteString(w, "data: two\n")
	})
	resp, err := client.Get(url + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	first, err := in.ReadString('\n')
	close(read)
	rest, restErr := io.ReadAll(in)
	if err != nil || restErr != nil || first != "data: one\n" || string(rest) != "data: two\n" {
		t.Errorf("read %q and %q, %v, %v", first, rest, err, restErr)
	}
	if len(j.found) > 0 {
		t.Error(j.found)
	}
}

// TestABodyThatBreaks is passed through as far as it came, and is no answer to be judged.
func TestABodyThatBreaks(t *testing.T) {
	j := &judged{}
	client, url := clientOf(t, j, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "{")
	})
	resp, err := client.Get(url + "/api/agents/nyx")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); string(got) != "{" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q, %v", got, err)
	}
	if len(j.found) > 0 {
		t.Error(j.found)
	}
}

// TestABodyThatCannotBeHadTwice is sent whole, and judged.
func TestABodyThatCannotBeHadTwice(t *testing.T) {
	j := &judged{}
	var got string
	client, url := clientOf(t, j, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = string(b)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, agent)
	})
	req, err := http.NewRequest(http.MethodPut, url+"/api/agents/nyx", io.MultiReader(strings.NewReader(`{"na`), strings.NewReader(`me":7}`)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text := strings.Join(j.found, "\n"); got != `{"name":7}` || !strings.Contains(text, "at /name: got number") || !strings.Contains(text, got) {
		t.Errorf("sent %q, found %q", got, text)
	}
}

// TestATestThatIsOver is not failed any more.
func TestATestThatIsOver(t *testing.T) {
	j := &judged{}
	client, url := clientOf(t, j, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for _, want := range []int{1, 1} {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if len(j.found) != want {
			t.Fatalf("found %q", j.found)
		}
		for _, f := range j.over {
			f()
		}
	}
}
