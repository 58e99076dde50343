package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// serverName is what the provider's certificate is for; the connection is a Unix socket, which has no name.
const serverName = "localhost"

// newPairs makes what one start of a provider needs: the host's TLS configuration and, as PEM, the authority, certificate
// and key that the provider gets. The authority's own key is forgotten here, so nobody else can ever join.
func newPairs() (host *tls.Config, forProvider []byte, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	ca := template("dstack provider authority", 1)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, nil, err
	}
	if ca, err = x509.ParseCertificate(caDER); err != nil {
		return nil, nil, err
	}
	hostPair, _, err := newPair(ca, caKey, 2, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return nil, nil, err
	}
	providerPair, providerKey, err := newPair(ca, caKey, 3, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return nil, nil, err
	}

	var out bytes.Buffer
	for _, block := range []*pem.Block{
		{Type: "CERTIFICATE", Bytes: caDER},
		{Type: "CERTIFICATE", Bytes: providerPair.Certificate[0]},
		{Type: "EC PRIVATE KEY", Bytes: providerKey},
	} {
		if err := pem.Encode(&out, block); err != nil {
			return nil, nil, err
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: serverName, RootCAs: pool, Certificates: []tls.Certificate{hostPair},
	}, out.Bytes(), nil
}

func newPair(ca *x509.Certificate, caKey *ecdsa.PrivateKey, serial int64, usage x509.ExtKeyUsage) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	t := template(serverName, serial)
	t.DNSNames, t.KeyUsage, t.ExtKeyUsage = []string{serverName}, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, &key.PublicKey, caKey)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, keyDER, err
}

// template is valid for a year and from a day ago: a process may live long, and clocks are set while it does.
func template(name string, serial int64) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(365 * 24 * time.Hour),
	}
}

// readPair reads what newPairs made for the provider and returns the provider's TLS configuration.
func readPair(r io.Reader) (*tls.Config, error) {
	data, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return nil, err
	}
	ca, rest := pem.Decode(data)
	cert, rest := pem.Decode(rest)
	key, _ := pem.Decode(rest)
	if ca == nil || cert == nil || key == nil {
		return nil, errors.New("an authority, a certificate and a key are needed")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem.EncodeToMemory(ca)) {
		return nil, errors.New("the authority is no certificate")
	}
	pair, err := tls.X509KeyPair(pem.EncodeToMemory(cert), pem.EncodeToMemory(key))
	if err != nil {
		return nil, fmt.Errorf("the provider's pair: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: serverName, Certificates: []tls.Certificate{pair},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, RootCAs: pool,
	}, nil
}
