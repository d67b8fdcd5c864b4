//go:build linux

package e2e

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin/protocol"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// launched is a process of a foreign extension that nobody has introduced yet.
type launched struct {
	*testing.T
	pb.ExtensionClient
	init *pb.InitRequest
}

// want fails the test unless a call ended with a code.
func (l *launched) want(call string, code codes.Code, err error) {
	l.Helper()
	if status.Code(err) != code {
		l.Errorf("%s = %v, want %s", call, err, code)
	}
}

// bytesCodec sends what is bytes already.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = b
	return nil
}
func (bytesCodec) Name() string { return "proto" }

// alone starts the extension as a host does on a system where descriptors cannot be handed over: without a tether, and with a
// standard input that ends with the host. It is the host of docs/protocol.md in a few lines, without go-plugin.
func (f foreign) alone(t *testing.T) (l *launched, end func() error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sh-") // that of the test can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	own, certificate := ownCertificate(t)
	cmd := exec.Command(f.program)
	cmd.Env = append(os.Environ(), protocol.CookieKey+"="+protocol.CookieValue, protocol.EnvLifeline+"="+protocol.LifelineStdin,
		"PLUGIN_CLIENT_CERT="+certificate, "PLUGIN_UNIX_SOCKET_DIR="+dir)
	cmd.Stderr = t.Output()
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	go func() { _, _ = io.Copy(io.Discard, stdout); ended <- cmd.Wait() }()
	parts := strings.Split(strings.TrimSpace(line), "|")
	if err != nil || len(parts) != 7 {
		t.Fatalf("it shakes hands with %q, %v", line, err)
	}
	der, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		t.Fatal(err)
	}
	peer, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(peer)
	secure := credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{own}, RootCAs: pool, ClientCAs: pool, ServerName: "localhost", ClientAuth: tls.RequireAndVerifyClientCert,
	})
	conn, err := grpc.NewClient("unix:"+parts[3], grpc.WithTransportCredentials(secure))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	services := offer(t, filepath.Join(dir, "services"), secure)
	say(t, conn, 7, filepath.Join(dir, "services"))
	refuses(t, "unix:"+parts[3], pool)
	l = &launched{T: t, ExtensionClient: pb.NewExtensionClient(conn), init: &pb.InitRequest{Extension: f.name, BrokerId: 7, Services: services}}
	return l, func() error {
		_ = stdin.Close()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return fmt.Errorf("the process is still there")
		}
	}
}

// refuses fails the test unless the extension refuses whoever is not its host: who shows no certificate, or another one.
func refuses(t *testing.T, address string, pool *x509.CertPool) {
	t.Helper()
	stranger, _ := ownCertificate(t)
	for who, own := range map[string][]tls.Certificate{"nobody": nil, "a stranger": {stranger}} {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			Certificates: own, RootCAs: pool, ServerName: "localhost",
		})))
		if err != nil {
			t.Fatal(err)
		}
		_, err = pb.NewExtensionClient(conn).Health(t.Context(), &pb.HealthRequest{})
		if status.Code(err) != codes.Unavailable {
			t.Errorf("it lets %s in: %v", who, err)
		}
		_ = conn.Close()
	}
}

// ownCertificate returns a certificate of the host's, and what the extension gets of it.
func ownCertificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// offer serves the services of a runtime on a socket, and returns their names.
func offer(t *testing.T, path string, secure credentials.TransportCredentials) []string {
	t.Helper()
	runtime, err := local.Open(t.Context(), local.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.Creds(secure))
	wire.Register(s, runtime.Services(), "alone")
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Stop()
		<-served
		if err := runtime.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return runtime.Services().Names()
}

// say tells the extension over its broker where connection id leads.
func say(t *testing.T, conn *grpc.ClientConn, id uint64, path string) {
	t.Helper()
	broker, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		"/plugin.GRPCBroker/StartStream", grpc.ForceCodec(bytesCodec{}))
	if err != nil {
		t.Fatal(err)
	}
	info := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), id)
	info = protowire.AppendString(protowire.AppendTag(info, 2, protowire.BytesType), "unix")
	info = protowire.AppendString(protowire.AppendTag(info, 3, protowire.BytesType), path)
	if err := broker.SendMsg(&info); err != nil {
		t.Fatal(err)
	}
}

// TestForeignWithoutATether: the extension binds by itself, when the address is free, accepts at once, and ends with its
// standard input.
func TestForeignWithoutATether(t *testing.T) {
	foreigners(t, func(t *testing.T, f foreign) {
		l, end := f.alone(t)
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = taken.Close() }()
		_, err = l.Init(t.Context(), l.init)
		l.want("Init", codes.OK, err)
		_, err = l.Configure(t.Context(), &pb.ConfigureRequest{Config: fmt.Appendf(nil, `{"address": %q}`, taken.Addr())})
		l.want("Configure", codes.OK, err)
		begun := make(chan error, 1)
		go func() {
			_, err := l.Start(t.Context(), &pb.StartRequest{})
			begun <- err
		}()
		eventually(t, "the extension to wait for the address", func() error {
			_, err := l.Health(t.Context(), &pb.HealthRequest{})
			if !strings.Contains(status.Convert(err).Message(), "while the extension is starting") {
				return fmt.Errorf("health is %w", err)
			}
			return nil
		})
		select {
		case err := <-begun:
			t.Errorf("Start = %v, and the address was taken", err)
			begun <- nil
		default:
		}
		_ = taken.Close()
		l.want("Start", codes.OK, <-begun)
		if err := visit(taken.Addr().String()); err != nil {
			t.Error(err)
		}
		if err := end(); err != nil {
			t.Errorf("it ends with %v", err)
		}
	})
}
