package sdk_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

const (
	envExtension = "STAGEHOUSE_TEST_EXTENSION" // this process is the extension servant
	envChatter   = "STAGEHOUSE_TEST_CHATTER"   // what the extension prints before it calls Main
	envUntied    = "STAGEHOUSE_TEST_UNTIED"    // the extension has no tether, as on systems where there is none
	envHost      = "STAGEHOUSE_TEST_HOST"      // this process is a host that runs it
	envCommander = "STAGEHOUSE_TEST_COMMANDER" // this process is the extension commander
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(envExtension) != "":
		if text := os.Getenv(envChatter); text != "" {
			fmt.Println(text)
		}
		if os.Getenv(envUntied) != "" {
			_ = os.Unsetenv(protocol.EnvTether)
		}
		sdk.Main(servantDefinition())
	case os.Getenv(envCommander) != "":
		sdk.Main(commanderDefinition())
	case os.Getenv(envHost) != "":
		hostMain()
	}
	goleak.VerifyTestMain(m)
}

// servant is an extension that does what a test asks for.
type servant struct {
	Address string `json:"address"`
	Fault   string `json:"fault"`
	TLS     bool   `json:"tls"`

	sick error
}

func servantDefinition() sdk.Definition {
	return sdk.Definition{Name: "servant", Version: "1", New: func() sdk.Extension { return &servant{Address: "127.0.0.1:0"} }}
}

func (s *servant) Start(ctx context.Context, h *sdk.Host) error {
	fmt.Println("printed")
	log.Print("logged by log")
	slog.Warn("logged by slog", "answer", 42)
	h.Log.With("who", "servant").WithGroup("request").Debug("a detail")
	h.Log.WithGroup("request").Info("logged by the host's logger", slog.Group("user", "name", "nobody"), "err", errors.New("odd"))
	switch s.Fault {
	case "exit in Start":
		fmt.Println("the last word on stdout")
		_, _ = fmt.Fprintln(os.Stderr, "the last word on stderr")
		h.Log.Error("the last word of the log", "key", "value")
		os.Exit(7)
	case "panic in Start":
		var none map[string]int
		none["x"] = 1
	case "panic in Health":
		s.sick = errors.New("panic")
	}
	ln, err := h.Listen(ctx, "tcp", s.Address)
	if err != nil {
		return err
	}
	if s.TLS {
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{certificate()}, NextProtos: []string{"h2", "http/1.1"}})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, os.Getpid()) })
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("in a handler") })
	mux.HandleFunc("/slow", slow)
	mux.HandleFunc("/fail", func(http.ResponseWriter, *http.Request) {
		h.Go(func(context.Context) error { return errors.New("the queue is gone") })
	})
	mux.HandleFunc("/child", child)
	h.Serve(ln, mux)
	return nil
}

// certificate returns one that nobody knows.
func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (s *servant) Health(context.Context) error {
	if s.sick != nil {
		panic(s.sick)
	}
	return nil
}

func (s *servant) Drain(context.Context) error {
	switch s.Fault {
	case "panic in Drain":
		panic("nowhere to drain to")
	case "error in Drain":
		return errors.New("the registry does not answer")
	}
	return nil
}

// child starts a process in the extension's process group that lives longer than any test, and answers with its number.
func child(w http.ResponseWriter, _ *http.Request) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprint(w, cmd.Process.Pid)
}

// slow begins to answer and ends when the file of the query is there.
func slow(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintln(w, "begun")
	_ = http.NewResponseController(w).Flush()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(r.URL.Query().Get("until")); err == nil {
			_, _ = fmt.Fprintln(w, "done")
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// hostMain runs the servant, prints where it serves, stops it when a signal comes, and waits to be killed.
func hostMain() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGHUP)
	m := plugin.New(schema.Services{})
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	err = m.Start(context.Background(), plugin.Spec{
		Name: "servant", Path: path, Env: map[string]string{envExtension: "1"},
		DrainTimeout: time.Minute, // longer than any test waits
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(m.Status()[0].PID, m.Status()[0].Listeners[0])
	<-stop
	_ = m.Close(context.Background()) // the host is killed before
	select {}
}
