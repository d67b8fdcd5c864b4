package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stagehouse/stagehouse/sdk"
)

const (
	maxAnswer   = 64 << 10         // bytes of an answer that are read
	deadName    = "dead.jsonl"     // in the state directory
	deadNameOld = "dead.old.jsonl" // the one before
	maxDead     = 16 << 20         // bytes of one
)

// client is an http.Client with which to post.
type client struct{ *http.Client }

func (x *webhook) client() client {
	transport := x.transport
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = x.Concurrency
		transport = t
	}
	return client{&http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a redirect is no delivery
	}}
}

// post makes one attempt. after is for how long the endpoint wants to be left alone.
func (d *delivery) post(ctx context.Context, now *settings, id string, body []byte) (after time.Duration, err error) {
	// What is under way when the extension is to end gets some time, so that it need not be done again.
	trying, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(now.TimeoutMs)*time.Millisecond)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		sleep(trying, finishTime)
		cancel()
	})()
	req, err := http.NewRequestWithContext(trying, http.MethodPost, now.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "stagehouse-webhook")
	sign(req.Header, now.key, id, time.Now(), body)
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()          // it was only read
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // so that the connection can be used again
	if resp.StatusCode/100 == 2 {
		return 0, nil
	}
	return retryAfter(resp.Header.Get("Retry-After"), time.Now()), fmt.Errorf("the endpoint answers %s", resp.Status)
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	var after time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		after = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		after = at.Sub(now)
	}
	return min(max(after, 0), mostAfter)
}

// deadLetter is a line of the file of them.
type deadLetter struct {
	ID       string          `json:"id"`
	Time     time.Time       `json:"time"`
	Attempts int             `json:"attempts"`
	Error    string          `json:"error"`
	Event    json.RawMessage `json:"event"`
}

// bury keeps an event that could not be delivered. It is on the disk when that returns.
func (d *delivery) bury(e sdk.Event, body []byte, attempts int, why error) error {
	line, err := json.Marshal(deadLetter{ID: webhookID(e), Time: time.Now().UTC(), Attempts: attempts, Error: why.Error(), Event: body})
	if err != nil {
		return fmt.Errorf("keep a dead letter: %w", err)
	}
	d.burying.Lock()
	defer d.burying.Unlock()
	path := filepath.Join(d.host.State.Dir(), deadName)
	if info, err := os.Stat(path); err == nil && info.Size() > maxDead {
		if err := os.Rename(path, filepath.Join(d.host.State.Dir(), deadNameOld)); err != nil {
			return fmt.Errorf("keep a dead letter: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep a dead letter: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("keep a dead letter: %w", err)
	}
	d.host.Log.Error("an event was not delivered and is a dead letter", "event", e.Cursor.String(), "attempts", attempts, "file", path, "error", why.Error())
	return nil
}
