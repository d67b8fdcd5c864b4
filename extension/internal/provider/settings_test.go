package provider_test

import (
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/schema"
)

func TestAddressProblems(t *testing.T) {
	for _, c := range []struct {
		address string
		keyed   bool
		want    schema.Severity
	}{
		{"https://api.example.com/v1", true, ""},
		{"http://localhost:11434/v1", true, ""},
		{"http://127.0.0.1:8080", true, ""},
		{"http://[::1]:8080", true, ""},
		{"http://gpu.lan:8000/v1", false, ""},
		{"http://gpu.lan:8000/v1", true, schema.SeverityWarning},
		{"gpu.lan:8000", false, schema.SeverityError},
		{"localhost", false, schema.SeverityError},
		{"ftp://example.com", false, schema.SeverityError},
		{"https://ann:pw@example.com", false, schema.SeverityError},
		{"http://%zz", false, schema.SeverityError},
		{"", false, schema.SeverityError},
	} {
		var got schema.Severity
		for _, p := range provider.AddressProblems(c.address, c.keyed) {
			got = p.Severity
		}
		if got != c.want {
			t.Errorf("%s: %q, not %q", c.address, got, c.want)
		}
	}
}

func TestHeadersAndSecrets(t *testing.T) {
	s := provider.Settings{Headers: map[string]string{"X-Team": "blue", "a b": "x", "X/Y": "a\nb"}}
	at := map[string]bool{}
	for _, p := range s.Problems() {
		at[p.Pointer] = true
	}
	if len(at) != 2 || !at["/headers/a b"] || !at["/headers/X~1Y"] {
		t.Errorf("problems at %v", at)
	}
	for secret, bad := range map[string]bool{"": false, "sk-1": false, "sk-1\n": true, " sk": true, "a\x00": true} {
		found := provider.SecretProblems("/apiKey", secret)
		if len(found) > 0 != bad || bad && strings.Contains(found[0].Message, "sk") {
			t.Errorf("%q: %v", secret, found)
		}
	}
}
