package tether_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
)

func TestWithoutATetherTheEndOfStandardInputIsTheEndOfTheHost(t *testing.T) {
	stdin, host := io.Pipe()
	line, err := tether.Connect(func(key string) string {
		return map[string]string{protocol.EnvLifeline: protocol.LifelineStdin}[key]
	}, stdin, "api")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := line.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	_ = host.Close()
	select {
	case <-line.Gone():
	case <-time.After(5 * time.Second):
		t.Fatal("the end is not seen")
	}
}

func TestABadDescriptorIsRefused(t *testing.T) {
	for _, text := range []string{"x", "0", "-1", "9999"} {
		if _, err := tether.Connect(func(string) string { return text }, nil, "api"); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
