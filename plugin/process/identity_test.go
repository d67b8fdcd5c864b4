package process

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
)

// shake has two sides shake hands, and returns what each of them says.
func shake(client, server *tls.Config) (clientErr, serverErr error) {
	a, b := net.Pipe()
	served := make(chan error, 1)
	go func() {
		s := tls.Server(b, server)
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte("x")) // the client hears of a refusal only when it reads
		}
		served <- err
		_ = b.Close()
	}()
	c := tls.Client(a, client)
	_, clientErr = c.Read(make([]byte, 1))
	_ = a.Close()
	return clientErr, <-served
}

// trusting returns the configuration of i after the handshake of the process that is known by the certificate of peer.
func trusting(t *testing.T, i, peer *identity) *tls.Config {
	t.Helper()
	config := i.config()
	if peer != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(peer.pem)) {
			t.Fatal("the certificate is no PEM")
		}
		config.RootCAs, config.ClientCAs = pool, pool
	}
	return config
}

// Two sides trust each other alone, whichever of them listens, and nobody before they know each other.
func TestIdentitiesTrustEachOtherAlone(t *testing.T) {
	var ids [3]*identity
	for n := range ids {
		var err error
		if ids[n], err = newIdentity(); err != nil {
			t.Fatal(err)
		}
	}
	host, process, stranger := ids[0], ids[1], ids[2]
	for _, c := range []struct {
		what           string
		client, server *tls.Config
		good           bool
	}{
		{"the host calls", trusting(t, host, process), trusting(t, process, host), true},
		{"the process calls", trusting(t, process, host), trusting(t, host, process), true},
		{"the host calls a stranger", trusting(t, host, process), trusting(t, stranger, host), false},
		{"a stranger calls the process", trusting(t, stranger, process), trusting(t, process, host), false},
		{"the host calls before the handshake", trusting(t, host, nil), trusting(t, process, host), false},
		{"the host is called before the handshake", trusting(t, process, host), trusting(t, host, nil), false},
	} {
		if clientErr, serverErr := shake(c.client, c.server); (clientErr == nil && serverErr == nil) != c.good {
			t.Errorf("%s: %v, %v", c.what, clientErr, serverErr)
		}
	}
}
