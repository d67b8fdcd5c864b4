package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	callTime   = 15 * time.Second // of a call that waits for nothing
	maxAnswer  = 8 << 20          // bytes
	maxUpdates = 100              // in one answer
)

// bot speaks the Bot API.
type bot struct {
	base string // with the token in it: never printed
	poll time.Duration
	http *http.Client
}

func newBot(url, token string, poll time.Duration) *bot {
	return &bot{
		base: strings.TrimSuffix(url, "/") + "/bot" + token + "/", poll: poll,
		http: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()},
	}
}

// update is something that has happened in a chat. Its ids grow.
type update struct {
	ID      int64    `json:"update_id"`
	Message *message `json:"message"`
}

type message struct {
	Date int64  `json:"date"` // seconds of Unix time
	Text string `json:"text"`
	Chat struct {
		ID int64 `json:"id"`
	} `json:"chat"`
}

// apiError is a refusal of the service.
type apiError struct {
	Code        int
	Description string
	RetryAfter  time.Duration
}

func (e *apiError) Error() string {
	return fmt.Sprintf("the service answers %d: %s", e.Code, e.Description)
}

// again reports whether the same call may be answered otherwise later.
func again(err error) bool {
	var e *apiError
	return !errors.As(err, &e) || e.Code == http.StatusTooManyRequests || e.Code >= 500 || e.Code == http.StatusConflict
}

// updates returns what comes from offset on, and tells the service that what was before it is dealt with.
func (b *bot) updates(ctx context.Context, offset int64) (all []update, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.poll+callTime)
	defer cancel()
	err = b.call(ctx, "getUpdates", map[string]any{
		"offset": offset, "limit": maxUpdates, "timeout": int(b.poll / time.Second), "allowed_updates": []string{"message"},
	}, &all)
	return all, err
}

func (b *bot) say(ctx context.Context, chat int64, text string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var sent struct{}
	return b.call(ctx, "sendMessage", map[string]any{"chat_id": chat, "text": text}, &sent)
}

func (b *bot) call(ctx context.Context, method string, params, into any) error {
	body, err := json.Marshal(params)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.base+method, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL of the service cannot be used") // err has the token in it
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := b.http.Do(req)
	if err != nil {
		return fmt.Errorf("call %s: %w", method, withoutURL(err))
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	var answer struct {
		OK          bool            `json:"ok"`
		Result      json.RawMessage `json:"result"`
		ErrorCode   int             `json:"error_code"`
		Description string          `json:"description"`
		Parameters  struct {
			RetryAfter int64 `json:"retry_after"`
		} `json:"parameters"`
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil {
		err = json.Unmarshal(raw, &answer)
	}
	switch {
	case err != nil && resp.StatusCode/100 != 2:
		return &apiError{Code: resp.StatusCode, Description: http.StatusText(resp.StatusCode)}
	case err != nil:
		return fmt.Errorf("read the answer to %s: %w", method, err)
	case !answer.OK:
		return &apiError{Code: answer.ErrorCode, Description: answer.Description, RetryAfter: time.Duration(answer.Parameters.RetryAfter) * time.Second}
	}
	return json.Unmarshal(answer.Result, into)
}

// withoutURL returns what is under an error of net/http, which would tell the token.
func withoutURL(err error) error {
	if under := errors.Unwrap(err); under != nil {
		return under
	}
	return err
}
