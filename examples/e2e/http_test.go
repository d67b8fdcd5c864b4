package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/extension/api/apitest"
)

// answer is a response, read whole.
type answer struct {
	*http.Response
	raw  []byte
	json map[string]any
}

// code returns the stable error code of a problem, or "".
func (a answer) code() string {
	c, _ := a.json["code"].(string)
	return c
}

// exchanges is the document of the API: what every client of these tests sends and is answered is held against it.
var exchanges = sync.OnceValue(func() *apitest.Exchanges {
	e, err := apitest.NewExchanges(readContract())
	if err != nil {
		panic(err)
	}
	return e
})

// readContract returns the document as it is committed.
func readContract() []byte {
	document, err := os.ReadFile(filepath.Join("..", "..", "schema", "openapi.json"))
	if err != nil {
		panic(err)
	}
	return document
}

// newClient retries nothing and keeps connections alive, as a strict client does.
func newClient(t *testing.T) *http.Client { return newClientOn(t, &http.Transport{}) }

func newClientOn(t *testing.T, tr *http.Transport) *http.Client {
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: exchanges().Transport(t, tr), Timeout: patience}
}

// newForeignClient is for servers of another contract, and for what comes through a proxy, which adds headers of its own.
func newForeignClient(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// try makes one request; a body that is not nil is sent as JSON.
func (s *server) try(c *http.Client, token, method, path string, body any) (answer, error) {
	var r io.Reader
	if body != nil {
		b, ok := body.([]byte)
		if !ok {
			var err error
			if b, err = json.Marshal(body); err != nil {
				return answer{}, err
			}
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, r)
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{Response: resp}
	if a.raw, err = io.ReadAll(resp.Body); err != nil {
		return answer{}, err
	}
	_ = json.Unmarshal(a.raw, &a.json) // not every answer is an object
	if events, _, _ := strings.Cut(path, "?"); events == "/api/events" {
		a.checkEvents(s.t)
	}
	return a, nil
}

// checkEvents holds the events of a page against the contract.
func (a answer) checkEvents(t testing.TB) {
	t.Helper()
	var page struct{ Events []json.RawMessage }
	_ = json.Unmarshal(a.raw, &page) // it may be no page
	for _, e := range page.Events {
		checkFrame(t, e)
	}
}

// do makes one request as the admin and fails the test unless the status is want.
func (s *server) do(c *http.Client, want int, method, path string, body any) answer {
	s.t.Helper()
	a, err := s.try(c, s.token, method, path, body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	if a.StatusCode != want {
		s.t.Fatalf("%s %s = %d, want %d\n%s", method, path, a.StatusCode, want, a.raw)
	}
	return a
}
