package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// endpoints listen at the endpoints that manifests set, such as the virtual addresses of vSphere, and forward requests to the API
// servers of the twins.
type endpoints struct {
	store   store
	mutex   sync.Mutex
	servers map[client.ObjectKey]*http.Server
}

func newEndpoints(objects store) *endpoints {
	return &endpoints{store: objects, servers: map[client.ObjectKey]*http.Server{}}
}

// forward listens at the endpoint of an object, unless it is the twin's. The endpoint has to be in 127.0.0.0/8.
func (e *endpoints) forward(cluster client.ObjectKey, object, twin *unstructured.Unstructured) error {
	host, port := endpointOf(object)
	twinHost, twinPort := endpointOf(twin)
	address, target := net.JoinHostPort(host, port), net.JoinHostPort(twinHost, twinPort)
	if host == "" || twinHost == "" || address == target {
		return nil
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if _, listens := e.servers[cluster]; listens {
		return nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("failed to listen at the endpoint of cluster %s; the lab's endpoints are in 127.0.0.0/8: %w", cluster, err)
	}
	certificate := sync.OnceValues(func() (*tls.Certificate, error) { return e.issue(cluster, host) })
	server := &http.Server{
		Handler: &httputil.ReverseProxy{
			Rewrite: func(request *httputil.ProxyRequest) {
				request.Out.URL.Scheme, request.Out.URL.Host, request.Out.Host = "https", target, target
			},
			// The twin's certificate is of the cluster's own authority. The twin does not check client certificates.
			Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		},
		TLSConfig: &tls.Config{
			NextProtos:     []string{"http/1.1"},
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate() },
		},
		ReadHeaderTimeout: time.Minute,
	}
	e.servers[cluster] = server
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return nil
}

func endpointOf(object *unstructured.Unstructured) (host, port string) {
	host, _, _ = unstructured.NestedString(object.Object, "spec", "controlPlaneEndpoint", "host")
	number, _, _ := unstructured.NestedInt64(object.Object, "spec", "controlPlaneEndpoint", "port")
	return host, strconv.FormatInt(number, 10)
}

func (e *endpoints) close(cluster client.ObjectKey) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if server, listens := e.servers[cluster]; listens {
		_ = server.Close()
		delete(e.servers, cluster)
	}
}

// issue signs a certificate for a host with the authority of a cluster.
func (e *endpoints) issue(cluster client.ObjectKey, host string) (*tls.Certificate, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: cluster.Namespace, Name: cluster.Name + "-ca"}
	if err := e.store.Get(context.Background(), key, secret); err != nil {
		return nil, err
	}
	authority, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil {
		return nil, err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "kube-apiserver"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.ParseIP(host)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, authority.Leaf, &private.PublicKey, authority.PrivateKey)
	return &tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: private}, err
}
