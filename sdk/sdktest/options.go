package sdktest

import (
	"os"
	"testing"
	"time"

	"google.golang.org/grpc/test/bufconn"
)

// Option changes what Start gives to an extension.
type Option func(*options)

type options struct {
	network *network // nil = that of the system
	state   string   // "" = a directory of the test
}

// WithState gives the extension that state directory. Two extensions of one test that have the same are like generations of
// one, or like an extension before and after a restart. Default: an empty directory of its own.
func WithState(dir string) Option { return func(o *options) { o.state = dir } }

// InBubble is for a test in a bubble of testing/synctest: the listeners of the extension are in memory, too, and Running.Client
// is the way to them. Without it an extension that listens keeps the clock of the bubble from moving.
func InBubble() Option {
	return func(o *options) { o.network = &network{listeners: map[string]*bufconn.Listener{}} }
}

func optionsOf(t testing.TB, opts []Option) options {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.state == "" {
		o.state = stateDir(t)
	}
	return o
}

// stateDir returns a directory that is removed after the test. What a drain has cut off may write to it for a moment longer,
// which is no mistake of the test and which t.TempDir would fail it for.
func stateDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "sdktest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := os.RemoveAll(dir)
		for until := time.Now().Add(endTimeout); err != nil && time.Now().Before(until); err = os.RemoveAll(dir) {
			time.Sleep(time.Millisecond)
		}
		if err != nil {
			t.Errorf("the state directory is still in use: %v", err)
		}
	})
	return dir
}
