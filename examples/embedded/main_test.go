package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/sdk"
)

// TestMain is the API server, when a host in a test runs this very program again. That nothing is left behind when a shop is
// closed says goleak.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "extension" {
		sdk.Main(api.Definition())
	}
	goleak.VerifyTestMain(m)
}

const patience = 30 * time.Second

// records is a log that tests read while it is written: a JSON object a line.
type records struct {
	mu    sync.Mutex
	lines []map[string]any
	grown chan struct{}
}

func newRecords() *records { return &records{grown: make(chan struct{})} }

func (r *records) Write(line []byte) (int, error) {
	var one map[string]any
	if err := json.Unmarshal(line, &one); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, one)
	close(r.grown)
	r.grown = make(chan struct{})
	return len(line), nil
}

// await returns the first line with that message, which must be the shop's.
func (r *records) await(t *testing.T, msg string) map[string]any {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		grown := r.grown
		for _, line := range r.lines {
			if line["msg"] == msg {
				r.mu.Unlock()
				if line["service"] != "shop" {
					t.Errorf("%v did not come through the logger of the shop", line)
				}
				return line
			}
		}
		r.mu.Unlock()
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("nobody said %q", msg)
		}
	}
}

// shop returns the address of the shop, as its log has it.
func (r *records) shop(t *testing.T) string {
	t.Helper()
	return "http://" + r.await(t, "the shop is open")["address"].(string)
}

// desk returns the address of the API.
func (r *records) desk(t *testing.T) string {
	t.Helper()
	return "http://" + r.await(t, "extension is running")["listeners"].([]any)[0].(string)
}

// opened is a shop that is open in this process.
type opened struct {
	log   *records
	close func() error // what a signal does; waits for the end of the day
}

func open(t *testing.T, s *Shop) opened {
	t.Helper()
	o := opened{log: newRecords()}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	log := slog.New(slog.NewJSONHandler(o.log, nil)).With("service", "shop")
	go func() { ended <- s.Serve(ctx, log, "127.0.0.1:0") }()
	o.close = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := o.close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func newShop(t *testing.T) *Shop {
	t.Helper()
	s := &Shop{Stock: map[string]int{"lamp": 12}, Desk: DeskConfig{Data: t.TempDir(), Keys: map[string]bool{"k": false, "owner": true}}}
	s.Clerks = map[string]Clerk{"ida": {Name: "Ida", Skills: []string{"stock"}, Answer: s.answer}}
	return s
}

// call makes a request with a key, and returns the status and the body of the answer.
func call(t *testing.T, key, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(b)
}

// want calls as a customer, and fails the test unless the answer has that status and says that.
func want(t *testing.T, status int, says, method, url, body string) {
	t.Helper()
	if got, text := call(t, "k", method, url, body); got != status || !strings.Contains(text, says) {
		t.Errorf("%s %s answers %d %s; want %d, with %q", method, url, got, text, status, says)
	}
}

const ask = `{"message":"How many lamps do you have?"}`

func TestBothServersAnswer(t *testing.T) {
	o := open(t, newShop(t))
	want(t, 200, "12", "GET", o.log.shop(t)+"/stock/lamp", "")
	desk := o.log.desk(t)
	want(t, 200, `"id":"ida"`, "GET", desk+"/api/agents", "")
	want(t, 200, "We have lamp: 12.", "POST", desk+"/api/chat/send", ask)
	if status, text := call(t, "owner", "POST", desk+"/api/agents", `{"id":"otto"}`); status != 501 || !strings.Contains(text, "come with the shop") {
		t.Errorf("to make a clerk is answered by %d %s", status, text)
	}
	want(t, 403, "scope", "POST", desk+"/api/agents/ida/stop", "")
	want(t, 501, "memory", "GET", desk+"/api/memory/search?q=x", "")
}

// TestTwoInOneProcess has two shops that know nothing of each other: nothing of a host is global.
func TestTwoInOneProcess(t *testing.T) {
	first, second := newShop(t), newShop(t)
	second.Stock["lamp"] = 3
	one, other := open(t, first), open(t, second)
	want(t, 200, "lamp: 12", "POST", one.log.desk(t)+"/api/chat/send", ask)
	want(t, 200, "lamp: 3", "POST", other.log.desk(t)+"/api/chat/send", ask)
	if err := one.close(); err != nil {
		t.Error(err)
	}
	want(t, 200, "lamp: 3", "POST", other.log.desk(t)+"/api/chat/send", ask)
}

// TestBothFinishWhatTheyHaveBegun closes a shop while a clerk is looking something up.
func TestBothFinishWhatTheyHaveBegun(t *testing.T) {
	s := newShop(t)
	asked, found := make(chan struct{}), make(chan struct{})
	s.Clerks["ida"] = Clerk{Name: "Ida", Answer: func(ctx context.Context, question string) (string, error) {
		close(asked)
		<-found
		return s.answer(ctx, question)
	}}
	o := open(t, s)
	desk := o.log.desk(t)
	var customer sync.WaitGroup
	customer.Go(func() { want(t, 200, "We have lamp: 12.", "POST", desk+"/api/chat/send", ask) })
	<-asked
	ended := make(chan error, 1)
	go func() { ended <- o.close() }()
	o.log.await(t, "the desk is closing")
	close(found)
	customer.Wait()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestShopWithoutADesk has the host fail in every way that it can when it starts; the shop is open all the same.
func TestShopWithoutADesk(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	held := newShop(t)
	open(t, held).log.desk(t)
	for name, c := range map[string]struct {
		spoil func(*Shop)
		says  string
	}{
		"the port is taken":           {func(s *Shop) { s.Desk.Port = taken.Addr().(*net.TCPAddr).Port }, "listening on"},
		"the directory is taken":      {func(s *Shop) { s.Desk.Data = held.Desk.Data }, "in use by"},
		"the configuration is wrong":  {func(s *Shop) { s.Desk.Port = 70_000 }, "configuration of the desk"},
		"the directory cannot be one": {func(s *Shop) { s.Desk.Data = os.Args[0] }, "data directory"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			c.spoil(s)
			o := open(t, s)
			if line := o.log.await(t, "nobody is at the desk; the shop is open all the same"); !strings.Contains(line["error"].(string), c.says) {
				t.Errorf("the log says %v, want %q", line["error"], c.says)
			}
			want(t, 200, "12", "GET", o.log.shop(t)+"/stock/lamp", "")
		})
	}
}

// TestShopOutlivesItsDesk kills the API server: the shop does not notice, and the host starts another one.
func TestShopOutlivesItsDesk(t *testing.T) {
	o := open(t, newShop(t))
	desk := o.log.desk(t)
	p, err := os.FindProcess(int(o.log.await(t, "extension is running")["pid"].(float64)))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	want(t, 200, "12", "GET", o.log.shop(t)+"/stock/lamp", "")
	want(t, 200, `"id":"ida"`, "GET", desk+"/api/agents", "") // at the same address: the host has kept it
}

// TestTheProgram builds the program, runs it, and ends it as a service manager does.
func TestTheProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nothing sends SIGTERM there")
	}
	program := filepath.Join(t.TempDir(), "shop")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	c := exec.Command(program)
	c.Env = append(os.Environ(), "SHOP_DATA="+t.TempDir(), "SHOP_KEY=k", "SHOP_ADDRESS=127.0.0.1:0")
	c.Stderr = t.Output()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill() }()
	log, read := newRecords(), make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			_, _ = log.Write(bytes.Clone(lines.Bytes())) // a line that is none is missed below
		}
		read <- c.Wait()
	}()
	want(t, 200, "12", "GET", log.shop(t)+"/stock/lamp", "")
	want(t, 200, "We have chair: 0.", "POST", log.desk(t)+"/api/chat/send", `{"message":"a chair"}`)
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Errorf("the shop ended with %v", err)
	}
	log.await(t, "extension is stopped")
}

// TestDocsShowThisSource keeps the chapter for owners of runtimes true.
func TestDocsShowThisSource(t *testing.T) {
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "runtimes.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(chapter), "## Inside a service that you have")
	var sources string
	for _, file := range []string{"clerks.go", "desk.go", "main.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources += string(source)
	}
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(part, -1)
	if len(snippets) != 3 {
		t.Fatalf("docs/runtimes.md has %d snippets about this example, want 3", len(snippets))
	}
	for _, s := range snippets {
		if !strings.Contains(sources, s[1]) {
			t.Errorf("docs/runtimes.md shows what is not in the source:\n%s", s[1])
		}
	}
}
