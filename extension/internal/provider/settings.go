package provider

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// Settings are the keys that the block of every provider has beside its own ones: the struct of its configuration embeds them.
type Settings struct {
	TimeoutMs          int               `json:"timeoutMs" minimum:"100" maximum:"86400000" doc:"How long one step may take from its beginning to its end, waiting and retries included"`
	FirstByteTimeoutMs int               `json:"firstByteTimeoutMs" minimum:"100" maximum:"86400000" doc:"How long the server may take to begin an answer; one that loads a model first takes a while"`
	IdleTimeoutMs      int               `json:"idleTimeoutMs" minimum:"100" maximum:"86400000" doc:"How long the server may be silent in the middle of an answer"`
	MaxConcurrent      int               `json:"maxConcurrent" minimum:"1" maximum:"10000" doc:"How many steps ask the server at a time"`
	MaxWaiting         int               `json:"maxWaiting" minimum:"0" maximum:"100000" doc:"How many more wait for their turn, in the order in which they came"`
	MaxRetries         int               `json:"maxRetries" minimum:"0" maximum:"10" doc:"How often a step is tried again before anything of its answer has come"`
	Headers            map[string]string `json:"headers" doc:"Sent with every request on top of what the extension sends"`
}

// Defaults returns the settings of a block that says nothing about them.
func Defaults() Settings {
	return Settings{
		TimeoutMs: 600_000, FirstByteTimeoutMs: 120_000, IdleTimeoutMs: 60_000,
		MaxConcurrent: 32, MaxWaiting: 256, MaxRetries: 2,
	}
}

// Problems returns what is wrong with the settings that their JSON Schema cannot say.
func (s Settings) Problems() []schema.Problem {
	var all []schema.Problem
	for name, value := range s.Headers {
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			all = append(all, problem.Errorf(problem.Pointer("headers", name), "", "no header can have that name"))
		case !httpguts.ValidHeaderFieldValue(value):
			all = append(all, problem.Errorf(problem.Pointer("headers", name), "", "the value has what no header can have, such as a line break"))
		}
	}
	return all
}

// AddressProblems returns what is wrong with the address of a server, which is at the key baseUrl, to which a key is sent if
// there is one.
func AddressProblems(address string, keyed bool) []schema.Problem {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return []schema.Problem{problem.Errorf("/baseUrl", `write one such as "https://api.example.com/v1"`, "it is no address of a server")}
	case u.User != nil:
		return []schema.Problem{problem.Errorf("/baseUrl", "use apiKey or headers", "it has a password in it, which would be shown with the address")}
	case u.Scheme == "http" && keyed && !loopback(u.Hostname()):
		return []schema.Problem{{
			Severity: schema.SeverityWarning, Pointer: "/baseUrl", Suggestion: "use https",
			Message: fmt.Sprintf("the key goes to %s in plain text: whoever is in between can read it", u.Host),
		}}
	}
	return nil
}

// SecretProblems returns what is wrong with the secret at the pointer.
func SecretProblems(at, secret string) []schema.Problem {
	if httpguts.ValidHeaderFieldValue(secret) && strings.TrimSpace(secret) == secret {
		return nil
	}
	return []schema.Problem{problem.Errorf(at, "look at what the variable or file has", "it has white space around it, or what no header can have")}
}

// header sets the configured headers.
func (s Settings) header(h http.Header) {
	for name, value := range s.Headers {
		h.Set(name, value)
	}
}

func (s Settings) step() time.Duration      { return milliseconds(s.TimeoutMs) }
func (s Settings) firstByte() time.Duration { return milliseconds(s.FirstByteTimeoutMs) }
func (s Settings) idle() time.Duration      { return milliseconds(s.IdleTimeoutMs) }

func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") || ip != nil && ip.IsLoopback()
}
