package provider_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/schema"
)

// ask returns what is in the answer of a server, read line by line with a pause before each but the first.
func ask(t *testing.T, s provider.Settings, handler http.HandlerFunc, pause time.Duration) (string, error) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c := provider.New(s, provider.Server{Extension: "brains", BaseURL: server.URL, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(c.Close)
	return provider.Call(t.Context(), c, func(ctx context.Context) (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("hello"))
		if err != nil {
			return "", err
		}
		res, err := c.Middleware(r, c.HTTP().Do)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		return readSlowly(res.Body, pause)
	})
}

func readSlowly(body io.Reader, pause time.Duration) (string, error) {
	var all strings.Builder
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		all.WriteString(lines.Text())
		<-time.After(pause)
	}
	return all.String(), lines.Err()
}

func flush(w http.ResponseWriter, text string) {
	fmt.Fprintln(w, text)
	w.(http.Flusher).Flush()
}

func impatient() provider.Settings {
	s := provider.Defaults()
	s.FirstByteTimeoutMs, s.IdleTimeoutMs, s.MaxRetries = 150, 150, 0
	return s
}

func TestSilentServers(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		says    string
	}{
		{"before the header", func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // otherwise the server does not see that the client goes
			<-r.Context().Done()
		}, "firstByteTimeoutMs"},
		{"after the header", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "firstByteTimeoutMs"},
		{"in the middle", func(w http.ResponseWriter, r *http.Request) {
			flush(w, "a")
			<-r.Context().Done()
		}, "idleTimeoutMs"},
		{"in an error", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			flush(w, `{"error":`)
			<-r.Context().Done()
		}, "500 from 127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ask(t, impatient(), c.handler, 0)
			if schema.CodeOf(err) != schema.CodeUnavailable || !strings.Contains(err.Error(), c.says) {
				t.Error(err)
			}
		})
	}
}

// TestASlowReaderIsNoSilentServer: the bounds are those of the server.
func TestASlowReaderIsNoSilentServer(t *testing.T) {
	got, err := ask(t, impatient(), func(w http.ResponseWriter, _ *http.Request) {
		for range 4 {
			flush(w, "a")
		}
	}, 200*time.Millisecond)
	if got != "aaaa" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAnAnswerThatIsTooLongIsCutOff(t *testing.T) {
	c := provider.New(impatient(), provider.Server{Extension: "brains", BaseURL: "http://localhost", Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(c.Close)
	n, err := provider.Call(t.Context(), c, func(ctx context.Context) (int64, error) {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
		res, err := c.Middleware(r, func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(io.LimitReader(zeros{}, 300<<20))}, nil
		})
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		return io.Copy(io.Discard, res.Body)
	})
	if schema.CodeOf(err) != schema.CodeUnavailable || !strings.Contains(err.Error(), "localhost: the answer has more than 256 MiB") {
		t.Errorf("after %d bytes: %v", n, err)
	}
}

func TestItSendsTheHeaders(t *testing.T) {
	s := provider.Defaults()
	s.Headers = map[string]string{"x-team": "blue"}
	got, err := ask(t, s, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Team")) }, 0)
	if got != "blue" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAnswersThatAreErrors(t *testing.T) {
	tries := 0
	got, err := ask(t, provider.Defaults(), func(w http.ResponseWriter, _ *http.Request) {
		if tries++; tries == 1 {
			w.Header().Set("Retry-After-Ms", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		fmt.Fprint(w, "well")
	}, 0)
	if got != "well" || err != nil || tries != 2 {
		t.Errorf("%q, %v after %d", got, err, tries)
	}
	tries = 0
	_, err = ask(t, provider.Defaults(), func(w http.ResponseWriter, _ *http.Request) {
		tries++
		w.Header().Set("X-Should-Retry", "false")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"error": {"message": "we sleep"}}`)
	}, 0)
	e := schema.AsError(err)
	if tries != 1 || e == nil || e.Code != schema.CodeUnavailable || e.RetryAfter != 7*time.Second || !strings.Contains(e.Message, "we sleep") {
		t.Errorf("%+v after %d", e, tries)
	}
}

func TestNobodyIsThere(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.URL
	server.Close()
	s := impatient()
	c := provider.New(s, provider.Server{Extension: "brains", BaseURL: address, Log: slog.New(slog.DiscardHandler)})
	defer c.Close()
	_, err := provider.Call(t.Context(), c, func(ctx context.Context) (int, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/?secret=1", nil)
		if err != nil {
			return 0, err
		}
		res, err := c.Middleware(r, c.HTTP().Do)
		if err == nil {
			res.Body.Close()
		}
		return 0, err
	})
	if schema.CodeOf(err) != schema.CodeUnavailable || !strings.Contains(err.Error(), "cannot be reached; does it run, and is extensions.brains.baseUrl right?") ||
		strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}
