package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// signer is a certificate with its key.
type signer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// writeCertificates writes an authority and the certificates of the API server, its administrator and the webhooks. It returns the
// authority's certificate.
func writeCertificates(folder string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Join(folder, "webhook"), 0o700); err != nil {
		return nil, err
	}
	authority, err := issue(filepath.Join(folder, "ca"), pkix.Name{CommonName: "lab"}, nil)
	if err != nil {
		return nil, err
	}
	for name, subject := range map[string]pkix.Name{
		"server":      {CommonName: apiServer},
		"admin":       {CommonName: "admin", Organization: []string{"system:masters"}},
		"webhook/tls": {CommonName: "webhook"},
	} {
		if _, err := issue(filepath.Join(folder, name), subject, authority); err != nil {
			return nil, err
		}
	}
	return os.ReadFile(filepath.Join(folder, "ca.crt"))
}

// issue writes a new certificate to <path>.crt and its key to <path>.key. Without an issuer it is an authority.
func issue(path string, subject pkix.Name, issuer *signer) (*signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"localhost"},
	}
	if issuer == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		issuer = &signer{template, key}
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, issuer.certificate, &key.PublicKey, issuer.key)
	if err != nil {
		return nil, err
	}
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	for ending, block := range map[string]*pem.Block{
		".crt": {Type: "CERTIFICATE", Bytes: signed},
		".key": {Type: "EC PRIVATE KEY", Bytes: encoded},
	} {
		if err := os.WriteFile(path+ending, pem.EncodeToMemory(block), 0o600); err != nil {
			return nil, err
		}
	}
	certificate, err := x509.ParseCertificate(signed)
	return &signer{certificate, key}, err
}

// writeKubeconfig writes the administrator's kubeconfig, which contains all certificates.
func writeKubeconfig(path, address, folder string) error {
	contents := map[string][]byte{}
	for _, name := range []string{"ca.crt", "admin.crt", "admin.key"} {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		contents[name] = content
	}
	config := api.NewConfig()
	config.Clusters["lab"] = &api.Cluster{Server: address, CertificateAuthorityData: contents["ca.crt"]}
	config.AuthInfos["admin"] = &api.AuthInfo{
		ClientCertificateData: contents["admin.crt"], ClientKeyData: contents["admin.key"]}
	config.Contexts["lab"] = &api.Context{Cluster: "lab", AuthInfo: "admin"}
	config.CurrentContext = "lab"
	return clientcmd.WriteToFile(*config, path)
}
