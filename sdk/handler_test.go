package sdk_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

func TestHandlerFunc(t *testing.T) {
	for name, c := range map[string]struct {
		handle sdk.HandlerFunc
		status int // 0 = cut off
		body   string
	}{
		"well": {func(w http.ResponseWriter, _ *http.Request) error {
			_, err := io.WriteString(w, "hello")
			return err
		}, http.StatusOK, "hello"},
		"an error of the host": {func(http.ResponseWriter, *http.Request) error {
			return schema.Errorf(schema.CodeNotFound, "there is no agent vera")
		}, http.StatusNotFound, "there is no agent vera\n"},
		"an error of its own": {func(http.ResponseWriter, *http.Request) error {
			return errors.New("out of paper")
		}, http.StatusInternalServerError, "out of paper\n"},
		"an error in the middle": {func(w http.ResponseWriter, _ *http.Request) error {
			_, err := io.WriteString(w, "hel")
			return errors.Join(err, http.NewResponseController(w).Flush(), errors.New("out of paper"))
		}, 0, "hel"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.handle)
			defer server.Close()
			resp, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if string(body) != c.body || (err != nil) != (c.status == 0) || c.status != 0 && resp.StatusCode != c.status {
				t.Errorf("%d %q, %v; want %d %q", resp.StatusCode, body, err, c.status, c.body)
			}
		})
	}
}
