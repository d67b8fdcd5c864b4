package api

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Config is the block extensions.api of the configuration.
type Config struct {
	Port           int        `json:"port" doc:"TCP port of REST and of the WebSocket; 0 = any free one" minimum:"0" maximum:"65535"`
	Host           string     `json:"host" doc:"Address to listen on; 0.0.0.0 is every IPv4 address of the machine"`
	CORS           *CORS      `json:"cors,omitempty" doc:"Which web pages of other origins may use the API. Absent: none."`
	RateLimit      *RateLimit `json:"rateLimit,omitempty" doc:"How much one client may ask for. Absent: as much as it likes."`
	TrustedProxies []string   `json:"trustedProxies,omitempty" doc:"Addresses or CIDR ranges of proxies whose X-Forwarded-For is believed"`
	Auth           Auth       `json:"auth" doc:"Who may use the API"`
	Limits         Limits     `json:"limits" doc:"Bounds that protect the server"`
}

// RateLimit admits at most Max requests and commands of one client in any window of WindowMs.
type RateLimit struct {
	WindowMs int `json:"windowMs" jsonschema:"minimum=1,maximum=86400000,default=60000" doc:"Length of the window in milliseconds"`
	Max      int `json:"max" jsonschema:"minimum=1,maximum=100000,default=100" doc:"Requests and WebSocket commands of one client in any window of that length"`
}

// Defaults of a rateLimit block that leaves a member out.
const (
	DefaultWindowMs = 60_000
	DefaultMax      = 100
)

// Modes of authentication.
const (
	AuthToken = "token"
	AuthNone  = "none"
)

// Auth says who may use the API.
type Auth struct {
	Mode        string `json:"mode" enum:"token,none" doc:"token: bearer tokens of the host. none: everybody is an administrator."`
	AllowPublic bool   `json:"allowPublic" doc:"Allow mode none on an address that other machines can reach"`
}

// Limits bounds what one client can cost.
type Limits struct {
	BodyBytes     int `json:"bodyBytes" doc:"Size of one request body" minimum:"1024" maximum:"16777216"`
	FrameBytes    int `json:"frameBytes" doc:"Size of one WebSocket frame of a client" minimum:"1024" maximum:"16777216"`
	QueueFrames   int `json:"queueFrames" doc:"Frames that wait for one socket before it is closed as too slow" minimum:"8" maximum:"65536"`
	Sockets       int `json:"sockets" doc:"WebSockets and streams of events open at a time" minimum:"1" maximum:"1000000"`
	AuthTimeoutMs int `json:"authTimeoutMs" doc:"How long a socket may stay without authentication" minimum:"10" maximum:"600000"`
	HeartbeatMs   int `json:"heartbeatMs" doc:"Time between two pings of the server" minimum:"10" maximum:"3600000"`
	ReadTimeoutMs int `json:"readTimeoutMs" doc:"How long a client may take to send one request" minimum:"10" maximum:"3600000"`
	IdleTimeoutMs int `json:"idleTimeoutMs" doc:"How long a connection is kept between two requests" minimum:"10" maximum:"3600000"`
	TurnTimeoutMs int `json:"turnTimeoutMs" doc:"How long POST /api/chat/send waits for the reply" minimum:"10" maximum:"3600000"`
}

// DefaultConfig returns the values that hold where the block is silent.
func DefaultConfig() Config {
	return Config{
		Port: 3001,
		Host: "127.0.0.1",
		Auth: Auth{Mode: AuthToken},
		Limits: Limits{
			BodyBytes: 1 << 20, FrameBytes: 256 << 10, QueueFrames: 256, Sockets: 10_000,
			AuthTimeoutMs: 5_000, HeartbeatMs: 30_000, ReadTimeoutMs: 15_000, IdleTimeoutMs: 120_000, TurnTimeoutMs: 120_000,
		},
	}
}

// Validate returns what is wrong with the block, and what somebody should know, beyond its JSON Schema.
func (c *Config) Validate() []schema.Problem {
	var problems []schema.Problem
	problems = append(problems, c.validateHost()...)
	if c.CORS != nil {
		problems = append(problems, c.CORS.validate()...)
	}
	for i, text := range c.TrustedProxies {
		if _, err := parseRange(text); err != nil {
			problems = append(problems, fault(fmt.Sprintf("/trustedProxies/%d", i), fmt.Sprintf("%q is not an address or a CIDR range", text), "write it like 10.0.0.0/8 or 192.0.2.7"))
		}
	}
	return append(problems, c.validateAuth()...)
}

// hostName matches what can be the name of a machine; one whose last part is a number is an address that is written wrong.
var hostName = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$`)

func (c *Config) validateHost() []schema.Problem {
	if c.Host == "" {
		return []schema.Problem{fault("/host", "is empty", "name an address, such as 127.0.0.1 or 0.0.0.0")}
	}
	if _, err := netip.ParseAddr(c.Host); err == nil || hostName.MatchString(c.Host) {
		return nil
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(c.Host, "["), "]")
	if _, err := netip.ParseAddr(inner); err == nil {
		return []schema.Problem{fault("/host", fmt.Sprintf("%q has brackets, which belong to URLs", c.Host), fmt.Sprintf("write %q", inner))}
	}
	host, port, err := net.SplitHostPort(c.Host)
	if _, notANumber := strconv.ParseUint(port, 10, 16); err == nil && host != "" && notANumber == nil {
		return []schema.Problem{fault("/host", fmt.Sprintf("%q is more than a host: the port is a key of its own", c.Host),
			fmt.Sprintf("write %q, and %s for \"port\"", host, port))}
	}
	return []schema.Problem{fault("/host", fmt.Sprintf("%q is neither an address nor the name of a machine", c.Host),
		"name an address, such as 127.0.0.1 or 0.0.0.0")}
}

// Requires returns the services that only some configurations need.
func (c *Config) Requires() []string {
	if c.Auth.Mode == AuthToken {
		return []string{schema.ServiceIdentity}
	}
	return nil
}

func (c *Config) validateAuth() []schema.Problem {
	switch {
	case c.Auth.Mode != AuthNone:
		return nil
	case loopback(c.Host):
		return []schema.Problem{caution("/auth/mode", "there is no authentication: everybody who can log in to this machine is an administrator", `use mode "token"`)}
	case !c.Auth.AllowPublic:
		return []schema.Problem{fault("/auth/mode", fmt.Sprintf("everybody who reaches %s would be an administrator", c.Host), `use mode "token", or host 127.0.0.1, or set auth.allowPublic if that is what you want`)}
	default:
		return []schema.Problem{caution("/auth/mode", fmt.Sprintf("there is no authentication: everybody who reaches %s is an administrator", c.Host), `use mode "token"`)}
	}
}

// loopback reports whether only this machine can reach the address.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// parseRange reads an address or a CIDR range.
func parseRange(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
}

// address returns where to listen.
func (c *Config) address() string { return net.JoinHostPort(c.Host, fmt.Sprint(c.Port)) }

// millis is a duration from the configuration.
func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func fault(pointer, message, suggestion string) schema.Problem {
	return schema.Problem{Severity: schema.SeverityError, Pointer: pointer, Message: message, Suggestion: suggestion}
}

func caution(pointer, message, suggestion string) schema.Problem {
	return schema.Problem{Severity: schema.SeverityWarning, Pointer: pointer, Message: message, Suggestion: suggestion}
}
