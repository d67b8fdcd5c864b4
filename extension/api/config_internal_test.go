package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

var update = flag.Bool("update", false, "rewrite the committed copy of the JSON Schema")

func tcpAddr(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1} }

// TestHost: what nobody can listen on is refused before anybody tries, and the remedy is one.
func TestHost(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "0.0.0.0", "::", "::1", "fe80::1%eth0", "localhost", "my_box", "API.example.com", "1.example", "a.b."} {
		c := Config{Host: host}
		if problems := c.validateHost(); len(problems) > 0 {
			t.Errorf("%q: %+v", host, problems)
		}
	}
	for host, remedy := range map[string]string{
		"":                 "such as 127.0.0.1",
		"not a host":       "such as 127.0.0.1",
		"127.0.0":          "such as 127.0.0.1",
		"999.0.0.1":        "such as 127.0.0.1",
		"http://localhost": "such as 127.0.0.1",
		"-x":               "such as 127.0.0.1",
		"a..b":             "such as 127.0.0.1",
		":3001":            "such as 127.0.0.1",
		"[::1]":            `write "::1"`,
		"[::1]:3001":       `write "::1", and 3001 for "port"`,
		"127.0.0.1:3001":   `write "127.0.0.1", and 3001 for "port"`,
		"localhost:3001":   `write "localhost", and 3001 for "port"`,
	} {
		c := Config{Host: host}
		if problems := c.validateHost(); len(problems) != 1 || problems[0].Pointer != "/host" || !strings.Contains(problems[0].Suggestion, remedy) {
			t.Errorf("%q: %+v, want the remedy %q", host, problems, remedy)
		}
	}
}

// problemsOf returns the problems of a block as "severity pointer" lines.
func problemsOf(t *testing.T, block string) string {
	t.Helper()
	s := New()
	if err := json.Unmarshal([]byte(block), s); err != nil {
		return "unreadable"
	}
	var lines []string
	for _, p := range s.Validate() {
		if p.Message == "" || p.Suggestion == "" {
			t.Errorf("%s: a problem without words: %+v", block, p)
		}
		lines = append(lines, string(p.Severity)+" "+p.Pointer)
	}
	return strings.Join(lines, ", ")
}

func TestValidate(t *testing.T) {
	for block, want := range map[string]string{
		`{}`: "",
		`{"port":3001,"host":"0.0.0.0","cors":{"origin":"*","credentials":true},"rateLimit":{"windowMs":60000,"max":100}}`: "warning /cors",
		`{"cors":{"origin":"*"}}`: "",
		`{"cors":{"origin":["https://a.example","http://localhost:3000"],"credentials":true}}`: "",
		`{"cors":{"origin":"capacitor://localhost"}}`:                                          "",
		`{"cors":{"origin":"HTTPS://A.example:443"}}`:                                          "",
		`{"cors":{}}`:                                              "error /cors/origin",
		`{"cors":{"origin":""}}`:                                   "error /cors/origin",
		`{"cors":{"origin":[]}}`:                                   "error /cors/origin",
		`{"cors":{"origin":"null"}}`:                               "error /cors/origin",
		`{"cors":{"origin":"https://a.example/"}}`:                 "error /cors/origin",
		`{"cors":{"origin":"https://a.example/x"}}`:                "error /cors/origin",
		`{"cors":{"origin":"https://a.example?x"}}`:                "error /cors/origin",
		`{"cors":{"origin":"https://u@a.example"}}`:                "error /cors/origin",
		`{"cors":{"origin":"a.example"}}`:                          "error /cors/origin",
		`{"cors":{"origin":"https://*.example"}}`:                  "error /cors/origin",
		`{"cors":{"origin":["https://a.example","*"]}}`:            "error /cors/origin/1",
		`{"cors":{"origin":["https://a.example","","null"]}}`:      "error /cors/origin/1, error /cors/origin/2",
		`{"cors":{"origin":7}}`:                                    "unreadable",
		`{"cors":{"origin":null}}`:                                 "error /cors/origin",
		`{"host":""}`:                                              "error /host",
		`{"trustedProxies":["10.0.0.0/8","x","10.0.0.0/99"]}`:      "error /trustedProxies/1, error /trustedProxies/2",
		`{"auth":{"mode":"none"}}`:                                 "warning /auth/mode",
		`{"auth":{"mode":"none"},"host":"::1"}`:                    "warning /auth/mode",
		`{"auth":{"mode":"none"},"host":"localhost"}`:              "warning /auth/mode",
		`{"auth":{"mode":"none"},"host":"0.0.0.0"}`:                "error /auth/mode",
		`{"auth":{"mode":"none"},"host":"example.com"}`:            "error /auth/mode",
		`{"auth":{"mode":"none","allowPublic":true},"host":"::"}`:  "warning /auth/mode",
		`{"auth":{"mode":"token","allowPublic":true},"host":"::"}`: "",
	} {
		if got := problemsOf(t, block); got != want {
			t.Errorf("%s: %q, want %q", block, got, want)
		}
	}
}

func TestRequires(t *testing.T) {
	c := DefaultConfig()
	if got := c.Requires(); len(got) != 1 || got[0] != schema.ServiceIdentity {
		t.Errorf("mode token requires %v", got)
	}
	c.Auth.Mode = AuthNone
	if got := c.Requires(); len(got) != 0 {
		t.Errorf("mode none requires %v", got)
	}
}

// TestConfigSchema compares the committed JSON Schema of the block with the one that the server declares.
func TestConfigSchema(t *testing.T) {
	const file = "../../schema/config/api.schema.json"
	raw, err := sdk.ConfigSchema(New())
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Indent(&want, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	want.WriteByte('\n')
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the server declares (%v); run: go test ./extension/api -run TestConfigSchema -update", file, err)
	}
}

// TestDocsShowEveryLimit with its default.
func TestDocsShowEveryLimit(t *testing.T) {
	chapter, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	limits := map[string]int{}
	if b, err := json.Marshal(DefaultConfig().Limits); err != nil || json.Unmarshal(b, &limits) != nil {
		t.Fatalf("%s, %v", b, err)
	}
	for key, value := range limits {
		if row := fmt.Sprintf("| `%s` | %d |", key, value); !strings.Contains(string(chapter), row) {
			t.Errorf("docs/operations.md has no row %q", row)
		}
	}
}

func TestDefinition(t *testing.T) {
	if d := Definition(); d.Name != "api" || d.Version == "" || d.Summary == "" || len(d.Requires) != 0 {
		t.Errorf("definition %+v; a runtime without one service or another can do with the rest", d)
	}
}
