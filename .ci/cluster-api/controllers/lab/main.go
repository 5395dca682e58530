// Command lab runs a management cluster on loopback: etcd, the API server of Kubernetes, the controllers of Cluster API with their
// in-memory infrastructure provider, and stand-ins for the controllers of the other providers.
//
// It prints "READY" with the path of a kubeconfig. SIGTERM and SIGINT stop everything. SIGUSR1 kills the API server; it is started
// again after five seconds, and the lab prints "READY again".
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const outage = 5 * time.Second

// The kernel ends the programs of the lab with the thread that started them. The main goroutine starts them, so it stays on the main
// thread, which ends with the process.
func init() { runtime.LockOSThread() }

func main() {
	programs := flag.String("programs", "", "folder of the programs that install.sh builds")
	crds := flag.String("crds", "", "folder with a folder of CustomResourceDefinitions for each provider")
	data := flag.String("data", "", "folder for the kubeconfig, logs and other files; it is emptied first")
	webhooks := flag.Bool("webhooks", false, "run the admission webhooks of aws, azure, openstack and vsphere")
	stopOnEOF := flag.Bool("stop-on-eof", false, "stop at the end of standard input: when the process that writes to it ends")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if *stopOnEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	if err := run(ctx, *programs, *crds, *data, *webhooks); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

type lab struct {
	data       string
	crds       string
	programs   string
	webhooks   bool
	kubeconfig string
	processes  *processes
	cluster    *cluster
}

func run(ctx context.Context, programs, crds, data string, webhooks bool) error {
	if err := requireInMemoryPort(); err != nil {
		return err
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	unlock, err := prepareData(data)
	if err != nil {
		return err
	}
	defer unlock()

	l := &lab{
		data: data, crds: crds, programs: programs, webhooks: webhooks,
		kubeconfig: filepath.Join(data, "kubeconfig"), processes: newProcesses(programs, data),
	}
	defer l.processes.stop()
	if err := l.startKubernetes(ctx); err != nil {
		return err
	}
	if err := l.startManagers(ctx); err != nil {
		return err
	}
	fmt.Println("READY", l.kubeconfig)

	interruptions := make(chan os.Signal, 1)
	signal.Notify(interruptions, syscall.SIGUSR1)
	for {
		select {
		case <-ctx.Done():
			return nil
		case failed := <-l.processes.failures:
			return l.processes.failure(failed)
		case <-interruptions:
			if err := l.processes.restart(ctx, apiServer, outage); err != nil {
				return err
			}
			if err := l.apiServerReady(ctx); err != nil {
				return err
			}
			fmt.Println("READY again")
		}
	}
}
