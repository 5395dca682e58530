// Package server serves the admission webhooks of an infrastructure provider, without its controllers.
package server

import (
	"flag"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

// Webhook registers itself at the server of a manager. The webhooks of the providers implement it.
type Webhook interface {
	SetupWebhookWithManager(ctrl.Manager) error
}

// All registers several webhooks.
func All(webhooks ...Webhook) func(ctrl.Manager) error {
	return func(manager ctrl.Manager) error {
		for _, each := range webhooks {
			if err := each.SetupWebhookWithManager(manager); err != nil {
				return err
			}
		}
		return nil
	}
}

// Main serves webhooks until SIGTERM. The API server and the addresses come from the command line, as those of the providers' own
// managers. It ends the process with code 1 if a step fails.
//
// types has the kinds of the provider; register adds the webhooks to a manager.
func Main(types runtime.SchemeBuilder, register func(ctrl.Manager) error) {
	port := flag.Int("webhook-port", 0, "port of the webhooks")
	certificates := flag.String("webhook-cert-dir", "", "folder with tls.crt and tls.key")
	health := flag.String("health-addr", "", "address of /readyz")
	flag.Parse() // also --kubeconfig, which controller-runtime defines
	if err := serve(*port, *certificates, *health, types, register); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(port int, certificates, health string, types runtime.SchemeBuilder, register func(ctrl.Manager) error) error {
	ctrl.SetLogger(klog.Background())
	scheme := runtime.NewScheme()
	if err := types.AddToScheme(scheme); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme,
		Metrics:                metrics.Options{BindAddress: "0"},
		HealthProbeBindAddress: health,
		WebhookServer:          webhook.NewServer(webhook.Options{Port: port, CertDir: certificates}),
	})
	if err != nil {
		return err
	}
	if err := register(manager); err != nil {
		return err
	}
	if err := manager.AddReadyzCheck("webhooks", manager.GetWebhookServer().StartedChecker()); err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}
