package provider

import (
	"sync/atomic"

	"github.com/stagehouse/stagehouse/schema"
)

// counts is what a client counts.
type counts struct {
	requests, errors, retries       atomic.Int64
	input, cached, output, reasoned atomic.Int64
}

func (n *counts) used(u schema.TokenUsage) {
	n.input.Add(u.InputTokens)
	n.cached.Add(u.CachedTokens)
	n.output.Add(u.OutputTokens)
	n.reasoned.Add(u.ReasoningTokens)
}

// Used counts the tokens of what is no step, such as embeddings.
func (c *Client) Used(u schema.TokenUsage) { c.count.used(u) }

// Metrics returns what an extension that has the client counts: requests to the server, those of them that were retries, steps that
// ended with an error other than that the caller gave up, tokens, steps that ask and that wait at the moment, and whether the
// server is left alone (1).
func (c *Client) Metrics() map[string]float64 {
	in, waiting := c.gate.load()
	m := map[string]float64{
		"requests_total": float64(c.count.requests.Load()), "retries_total": float64(c.count.retries.Load()),
		"errors_total":       float64(c.count.errors.Load()),
		"input_tokens_total": float64(c.count.input.Load()), "cached_tokens_total": float64(c.count.cached.Load()),
		"output_tokens_total": float64(c.count.output.Load()), "reasoning_tokens_total": float64(c.count.reasoned.Load()),
		"in_flight": float64(in), "waiting": float64(waiting), "breaker_open": 0,
	}
	if c.breaker.isOpen() {
		m["breaker_open"] = 1
	}
	return m
}
