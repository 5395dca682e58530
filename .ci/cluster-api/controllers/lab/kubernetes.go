package main

import (
	"context"
	"fmt"
	"path/filepath"
)

const apiServer = "kube-apiserver"

func (l *lab) pki(name string) string { return filepath.Join(l.data, "pki", name) }

// startKubernetes starts etcd, the API server, the garbage collector and the controller of namespaces.
func (l *lab) startKubernetes(ctx context.Context) error {
	authority, err := writeCertificates(l.pki(""))
	if err != nil {
		return err
	}
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	etcd, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	if err := l.processes.start("etcd", "--data-dir", filepath.Join(l.data, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--listen-peer-urls", peer); err != nil {
		return err
	}
	address := fmt.Sprintf("https://127.0.0.1:%d", ports[2])
	if err := l.processes.start(apiServer, "--etcd-servers", etcd, "--secure-port", fmt.Sprint(ports[2]),
		"--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--service-cluster-ip-range", "10.99.0.0/16",
		"--tls-cert-file", l.pki("server.crt"), "--tls-private-key-file", l.pki("server.key"), "--client-ca-file", l.pki("ca.crt"),
		"--service-account-issuer", address, "--service-account-key-file", l.pki("server.key"),
		"--service-account-signing-key-file", l.pki("server.key"), "--authorization-mode", "RBAC",
		"--enable-bootstrap-token-auth", "--disable-admission-plugins", "ServiceAccount"); err != nil {
		return err
	}
	if err := writeKubeconfig(l.kubeconfig, address, l.pki("")); err != nil {
		return err
	}
	if l.cluster, err = connect(l.kubeconfig, authority); err != nil {
		return err
	}
	if err := l.apiServerReady(ctx); err != nil {
		return err
	}
	// Without them, objects whose owner was deleted stay, and a deleted namespace stays Terminating.
	return l.processes.start("kube-controller-manager", "--kubeconfig", l.kubeconfig, "--leader-elect=false",
		"--controllers=garbage-collector-controller,namespace-controller", "--secure-port", fmt.Sprint(ports[3]),
		"--bind-address", "127.0.0.1", "--cert-dir", l.pki("controller-manager"))
}

func (l *lab) apiServerReady(ctx context.Context) error {
	return l.processes.until(ctx, "the API server is ready", func() bool { return l.cluster.isReady(ctx) })
}
