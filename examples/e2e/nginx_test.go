//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nginx is a process of nginx of our own in front of a server: it is the server as clients see it through nginx.
type nginx struct {
	*server
	log *syncBuffer // errors
}

// around is what every nginx here has around the servers that a test configures. Buffering is on by default; whatever can be
// compressed is.
const around = `daemon off;
pid nginx.pid;
error_log stderr error;
worker_processes 2;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    gzip on;
    gzip_min_length 0;
    gzip_types text/event-stream application/json;
%s
}
`

// untold is an nginx that was told nothing but where to pass requests on to: it speaks HTTP/1.0, on a new connection each.
const untold = `server { listen 80; location / { proxy_pass http://127.0.0.1:3001; } }`

// documented is the configuration that the documentation tells people to write.
func documented(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	snippet := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindStringSubmatch(section(t, string(b), "## Behind a proxy"))
	if snippet == nil {
		t.Fatal("there is no configuration for nginx")
	}
	return snippet[1]
}

// with returns the configuration with a directive more in its location.
func with(conf, directive string) string {
	return strings.Replace(conf, "proxy_pass", directive+"\nproxy_pass", 1)
}

// nginxProgram names the nginx to take.
const nginxProgram = "TEST_NGINX" // not NGINX, which nginx itself reads

// needsNginx skips the test where the environment does not say which one to take.
func needsNginx(t *testing.T) {
	t.Helper()
	if os.Getenv(nginxProgram) == "" {
		t.Skip(nginxProgram + " does not name an nginx; see make proxy")
	}
}

// behindNginx starts an nginx with a configuration, in which the addresses are those of the documentation.
func (s *server) behindNginx(conf string) *nginx {
	s.t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", freePorts(s.t, 1)[0])
	conf = strings.NewReplacer("127.0.0.1:3001", strings.TrimPrefix(s.base, "http://"), "listen 80;", "listen "+address+";").Replace(conf)
	dir := s.t.TempDir()
	head := ""
	if os.Getuid() == 0 {
		head = "user root;\n" // whose files these are
	}
	write(s.t, filepath.Join(dir, "nginx.conf"), head+fmt.Sprintf(around, conf))

	front := *s
	front.base = "http://" + address
	n := &nginx{server: &front, log: &syncBuffer{}}
	n.run(exec.Command(os.Getenv(nginxProgram), "-p", dir, "-c", "nginx.conf", "-e", "stderr"))
	return n
}

// run starts nginx and waits until requests get through it. It is stopped when the test ends.
func (n *nginx) run(c *exec.Cmd) {
	t := n.t
	t.Helper()
	c.Stderr = n.log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = c.Wait()
	}()
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it stops its workers
		select {
		case <-exited:
		case <-time.After(patience):
			t.Error("nginx does not stop")
		}
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		<-exited
		if t.Failed() {
			t.Logf("log of nginx:\n%s", n.log.String())
		}
	})
	client := newForeignClient(t)
	eventually(t, "nginx", func() error {
		select {
		case <-exited:
			return errors.New("it has ended")
		default:
		}
		a, err := n.try(client, "", http.MethodGet, "/healthz", nil)
		if err == nil && a.StatusCode != http.StatusOK {
			err = errors.New(a.Status)
		}
		return err
	})
}

// wantQuiet fails the test if nginx has complained: it does so about every answer that it did not get whole.
func (n *nginx) wantQuiet() {
	n.t.Helper()
	if log := n.log.String(); log != "" {
		n.t.Errorf("nginx complains:\n%s", log)
	}
}
