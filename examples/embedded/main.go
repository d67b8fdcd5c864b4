// Command embedded is a service that was there before its agents: a shop with an HTTP server, a logger and a shutdown of its
// own. It embeds a host, which has the shop's clerks answer customers over the API server.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/sdk"
)

// readTimeout bounds how long a customer may take to ask.
const readTimeout = 10 * time.Second

func main() {
	if len(os.Args) > 1 && os.Args[1] == "extension" { // the host runs this very program again, as the API server
		sdk.Main(api.Definition())
	}
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("service", "shop")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	shop := &Shop{Stock: map[string]int{"lamp": 12, "chair": 0}, Desk: DeskConfig{Data: os.Getenv("SHOP_DATA"), Keys: map[string]bool{}}}
	if key := os.Getenv("SHOP_KEY"); key != "" {
		shop.Desk.Keys[key] = false
	}
	shop.Clerks = map[string]Clerk{"ida": {Name: "Ida", Skills: []string{"stock"}, Answer: shop.answer}}
	if err := shop.Serve(ctx, log, os.Getenv("SHOP_ADDRESS")); err != nil {
		log.Error("the shop failed", "error", err)
		os.Exit(1)
	}
}

// Shop sells what it has.
type Shop struct {
	Stock  map[string]int // what there is of each thing; not changed while it is open
	Clerks map[string]Clerk
	Desk   DeskConfig
}

// Serve is the shop's day: it opens, and closes when ctx ends. Both its servers finish what they have begun. A desk that cannot
// be opened keeps no customer from buying.
func (s *Shop) Serve(ctx context.Context, log *slog.Logger, address string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	log.Info("the shop is open", "address", ln.Addr().String())
	ctx, closed := context.WithCancel(ctx)
	var desk sync.WaitGroup
	desk.Go(func() { s.attend(ctx, log) })
	defer desk.Wait()
	defer closed()

	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: readTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return server.Shutdown(closing)
}

// attend has the desk open until ctx ends.
func (s *Shop) attend(ctx context.Context, log *slog.Logger) {
	desk, err := OpenDesk(ctx, log, s.Desk, s.Clerks)
	if err != nil {
		log.Error("nobody is at the desk; the shop is open all the same", "error", err)
		return
	}
	<-ctx.Done()
	log.Info("the desk is closing")
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := desk.Close(closing); err != nil {
		log.Error("the desk did not close as it should", "error", err)
	}
}

// answer is what a clerk says: how many there are of the things that the question is about.
func (s *Shop) answer(_ context.Context, question string) (string, error) {
	var found []string
	for _, thing := range slices.Sorted(maps.Keys(s.Stock)) {
		if strings.Contains(strings.ToLower(question), thing) {
			found = append(found, fmt.Sprintf("%s: %d", thing, s.Stock[thing]))
		}
	}
	if len(found) == 0 {
		return "", errors.New("no clerk knows about that; name something that the shop sells")
	}
	return "We have " + strings.Join(found, ", ") + ".", nil
}

// handler is the shop's own API.
func (s *Shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stock/{thing}", func(w http.ResponseWriter, r *http.Request) {
		n, ok := s.Stock[r.PathValue("thing")]
		if !ok {
			http.Error(w, "the shop does not sell that", http.StatusNotFound)
			return
		}
		fmt.Fprintln(w, n)
	})
	return mux
}
