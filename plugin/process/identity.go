package process

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// envClientCert is where go-plugin looks for the host's certificate.
const envClientCert = "PLUGIN_CLIENT_CERT"

// identityName is whose certificate it is, on both sides.
const identityName = "localhost"

// How long a certificate is valid. A process may run for years, and the clocks of two processes are one.
const (
	validBefore = time.Minute
	validFor    = 30 * 365 * 24 * time.Hour
)

// identity is who the host is to one process: a certificate of its own, which signs itself. It is on P-256, which every TLS
// library has; go-plugin's own is on P-521, which BoringSSL and ring, below many a gRPC, leave out.
type identity struct {
	cert tls.Certificate
	pem  string
}

func newIdentity() (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the host's certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make the host's certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: identityName}, DNSNames: []string{identityName},
		NotBefore: time.Now().Add(-validBefore), NotAfter: time.Now().Add(validFor),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the host's certificate: %w", err)
	}
	return &identity{
		cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem:  string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
	}, nil
}

// config returns the configuration for connections both ways. go-plugin adds the certificate of the process, which comes
// with the handshake; until then nobody is trusted.
func (i *identity) config() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{i.cert}, ServerName: identityName,
		RootCAs: x509.NewCertPool(), ClientCAs: x509.NewCertPool(), ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12,
	}
}
