//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
)

// limited is managed with a rate limit, by the address, as authentication is off.
func limited(t *testing.T, windowMs, most int) (*server, *plugin.Manager, plugin.Spec) {
	t.Helper()
	m, _, api := managed(t)
	api.Config = json.RawMessage(fmt.Sprintf(`{"port":0,"auth":{"mode":"none"},"rateLimit":{"windowMs":%d,"max":%d}}`, windowMs, most))
	swap(t, m, api)
	return &server{t: t, base: "http://" + m.Status()[0].Listeners[0]}, m, api
}

// acting returns a client's act on a kept connection, or on a new one each, or as a command of a WebSocket. It reports
// whether the act was within the limit.
func (s *server) acting(kind int) func() (bool, error) {
	s.t.Helper()
	if kind == 0 {
		k := s.anybody()
		return func() (bool, error) {
			if err := k.ws.Write(s.t.Context(), 1, []byte(`{"type":"unsubscribe","agents":[]}`)); err != nil {
				return false, err
			}
			f, err := k.next()
			if err == nil && f.str("type") != "unsubscribed" && f.str("code") != "rate_limited" {
				err = fmt.Errorf("it was answered by %v", f)
			}
			return f.str("type") == "unsubscribed", err
		}
	}
	client := newClientOn(s.t, &http.Transport{DisableKeepAlives: kind == 1})
	return func() (bool, error) {
		a, err := s.try(client, "", http.MethodGet, "/api/agents", nil)
		if err == nil && a.StatusCode != http.StatusOK && a.StatusCode != http.StatusTooManyRequests {
			err = fmt.Errorf("status %d: %s", a.StatusCode, a.raw)
		}
		return err == nil && a.StatusCode == http.StatusOK, err
	}
}

// TestALimitHoldsAcrossSwaps: in one window that several generations serve, as many acts are within the limit as there may be,
// and not one more or less, on connections that stay, move or are new.
func TestALimitHoldsAcrossSwaps(t *testing.T) {
	const most, clients, swaps = 1500, 6, 4
	s, m, api := limited(t, 3_600_000, most)
	var admitted, refused atomic.Int64
	permits := make(chan struct{})
	var busy sync.WaitGroup
	for i := range clients {
		act := s.acting(i % 3)
		if i%3 == 0 {
			admitted.Add(1) // its upgrade
		}
		busy.Go(func() {
			for range permits {
				switch ok, err := act(); {
				case err != nil:
					t.Error(err)
				case ok:
					admitted.Add(1)
				default:
					if refused.Add(1); i%3 == 0 {
						return // a socket that goes on is closed
					}
				}
			}
		})
	}
	swapped := 0
	for range swaps {
		begun := admitted.Load()
		over := make(chan struct{})
		go func() { defer close(over); swap(t, m, api) }()
		for n, swapping := 0, true; swapping || n < 50; n++ {
			if n < most/(swaps+1) { // so that the limit is not reached before the last swap
				permits <- struct{}{}
			}
			select {
			case <-over:
				swapping = false
			case <-time.After(time.Millisecond):
			}
		}
		if admitted.Load() > begun {
			swapped++
		}
	}
	for range 2 * most {
		permits <- struct{}{}
	}
	close(permits)
	busy.Wait()
	if n := admitted.Load(); n != most || refused.Load() == 0 || swapped != swaps {
		t.Errorf("%d acts were within the limit of %d, %d were not; %d of %d swaps saw some", n, most, refused.Load(), swapped, swaps)
	}
}

// TestAPacedClientIsNotRefusedBySwaps: it acts as often as it may, all the time.
func TestAPacedClientIsNotRefusedBySwaps(t *testing.T) {
	const windowMs, most = 2000, 50
	s, m, api := limited(t, windowMs, most)
	for kind := range 3 {
		act := s.acting(kind)
		if kind == 0 {
			<-time.After(windowMs * time.Millisecond / most) // after its upgrade
		}
		over := make(chan struct{})
		go func() {
			defer close(over)
			for range 2 {
				swap(t, m, api)
			}
		}()
		pace := time.NewTicker(windowMs * time.Millisecond / most)
		for n, swapping := 0, true; swapping || n < most; n++ {
			if ok, err := act(); err != nil || !ok {
				t.Fatalf("act %d of a client of kind %d: %t, %v", n, kind, ok, err)
			}
			select {
			case <-over:
				swapping, over = false, nil
			default:
			}
			<-pace.C
		}
		pace.Stop()
	}
}
