package ws

import "testing"

// TestDigest: what a command asks for, and nothing else, makes its digest.
func TestDigest(t *testing.T) {
	p := newParser()
	digest := func(text string) string {
		t.Helper()
		c, err := p.parse([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return c.digest()
	}
	const first = `{"type":"chat:message","id":1,"agentId":"nyx","message":"é","context":{"a":1,"b":[2]},"idempotencyKey":"k"}`
	want := digest(first)
	for text, same := range map[string]bool{
		`{ "message":"\u00e9", "context":{"b":[ 2 ],"a":1},` + "\n" + `"idempotencyKey":"other","agentId":"nyx","type":"chat:message" }`: true,
		`{"type":"chat:message","agentId":"aria","message":"é","context":{"a":1,"b":[2]},"idempotencyKey":"k"}`:                          false,
		`{"type":"chat:message","agentId":"nyx","message":"e","context":{"a":1,"b":[2]},"idempotencyKey":"k"}`:                           false,
		`{"type":"chat:message","agentId":"nyx","message":"é","context":{"a":1,"b":[3]},"idempotencyKey":"k"}`:                           false,
		`{"type":"chat:message","agentId":"nyx","message":"é","idempotencyKey":"k"}`:                                                     false,
		`{"type":"chat:message","agentId":"nyx","message":"é","context":{"a":1,"b":[2]},"conversationId":"c"}`:                           false,
		`{"type":"chat:message","agentId":"nyx","message":"é","context":{"a":1,"b":[2]},"onBusy":"reject"}`:                              false,
		`{"type":"chat:route","message":"é","context":{"a":1,"b":[2]}}`:                                                                  false,
	} {
		if got := digest(text); (got == want) != same {
			t.Errorf("%s has the digest of %s: %v", text, first, !same)
		}
	}
	// A digest is kept for a day, across versions of the server.
	if got := digest(`{"type":"chat:cancel","runId":"run_1"}`); got != "1cd6ad03ef4ebaac24e0f66777783f1ef347e766e1512ff61f94ce8bcd57b87b" {
		t.Errorf("the digest of a command has changed to %s", got)
	}
}
