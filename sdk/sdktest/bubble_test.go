package sdktest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

// reminder says the time to an agent every hour, and to whoever asks.
type reminder struct {
	Address string `json:"address"`
}

func (x *reminder) Start(ctx context.Context, h *sdk.Host) error {
	h.Go(func(ctx context.Context) error {
		hours := time.NewTicker(time.Hour)
		defer hours.Stop()
		for {
			select {
			case now := <-hours.C:
				for _, err := range h.Chat.Send(h.Self(ctx, sdk.ScopeChat), sdk.SendRequest{AgentID: "nyx", Message: now.Format(time.TimeOnly)}) {
					if err != nil {
						return err
					}
				}
			case <-ctx.Done():
				return nil
			}
		}
	})
	if x.Address == "" {
		return nil
	}
	return h.ListenAndServe(ctx, x.Address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, time.Now().Format(time.TimeOnly))
	}))
}

func reminders() sdk.Definition {
	return sdk.Definition{Name: "reminder", Version: "1.0.0", New: func() sdk.Extension { return &reminder{} }}
}

// TestADayIsOverAtOnce: a bubble has a clock of its own, and all that is between a host and an extension stands still in it.
func TestADayIsOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := sdktest.NewHost(sdk.Agent{ID: "nyx"})
		sdktest.Start(t, reminders(), ``, host.Services())
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		calls := host.Calls("Chat.Send")
		if len(calls) != 24 || calls[23].Input.(schema.SendRequest).Message != "00:00:00" {
			t.Errorf("%d calls, the last one %+v", len(calls), calls[len(calls)-1])
		}
	})
}

func TestADayIsOverAtOnceForWhoListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := sdktest.NewHost(sdk.Agent{ID: "nyx"})
		x := sdktest.Start(t, reminders(), `{"address":"127.0.0.1:0"}`, host.Services(), sdktest.InBubble())
		for hour := range 3 {
			resp, err := x.Client().Get("http://" + x.Listeners()[0])
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if want := fmt.Sprintf("%02d:00:00", hour); err != nil || string(body) != want {
				t.Errorf("it is %s, %v, want %s", body, err, want)
			}
			time.Sleep(time.Hour)
		}
		if _, err := x.Client().Get("http://127.0.0.1:9"); err == nil || !strings.Contains(err.Error(), "does not listen on 127.0.0.1:9") {
			t.Errorf("an address of nobody: %v", err)
		}
	})
}

// TestTheSameInMemoryAndAsAProcess is what an author writes to have every test run both ways.
func TestTheSameInMemoryAndAsAProcess(t *testing.T) {
	type starter func(testing.TB, sdk.Definition, string, sdk.Services, ...sdktest.Option) *sdktest.Running
	for name, start := range map[string]starter{"memory": sdktest.Start, "process": sdktest.Exec} {
		t.Run(name, func(t *testing.T) {
			x := start(t, definition(nil), `{"greeting":"good day"}`, sdktest.NewHost().Services())
			resp, err := x.Client().Get("http://" + x.Listeners()[0])
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "good day" {
				t.Errorf("it says %q, %v", body, err)
			}
			if err := x.Health(t.Context()); err != nil {
				t.Errorf("health = %v", err)
			}
		})
	}
}

// TestExecIsAProcess: the extension is not in the process of the test.
func TestExecIsAProcess(t *testing.T) {
	x := sdktest.Exec(t, pids(), ``, sdktest.NewHost().Services())
	resp, err := x.Client().Get("http://" + x.Listeners()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) == pid() || len(body) == 0 {
		t.Errorf("the extension is in process %s, %v, and so is the test", body, err)
	}
}

func pid() string { return strconv.Itoa(os.Getpid()) }

func pids() sdk.Definition {
	return sdk.Definition{Name: "pids", Version: "1.0.0", New: func() sdk.Extension { return &teller{} }}
}

// teller tells the number of its process.
type teller struct{}

func (*teller) Start(ctx context.Context, h *sdk.Host) error {
	return h.ListenAndServe(ctx, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, pid())
	}))
}
