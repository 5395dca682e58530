package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// manager is a program with webhooks. Its manifests are beside the programs, in manifests/<name>.
type manager struct {
	name      string
	arguments []string
	// hasCRDs is true if the manager has CustomResourceDefinitions, which are applied, and converts between their versions.
	hasCRDs bool
}

var single = []string{"--leader-elect=false", "--insecure-diagnostics", "--diagnostics-address=127.0.0.1:0"}

// All labels and annotations of a node pool's machines reach their nodes.
var synchronised = []string{"--additional-sync-machine-labels=.+", "--additional-sync-machine-annotations=.+"}

var clusterAPI = []manager{
	{"core", slices.Concat(single, synchronised), true},
	{"bootstrap", single, true},
	{"controlplane", single, true},
	{"infrastructure", single, true},
}

// webhookServers have the admission webhooks of providers. Those of azure cannot be imported: the provider's whole manager runs, with
// a filter that excludes all objects.
var webhookServers = []manager{
	{"webhooks-aws", nil, false},
	{"webhooks-azure", slices.Concat(single, []string{"--watch-filter=nothing", "--feature-gates=MachinePool=false,ASOAPI=false",
		"--disable-controllers-or-webhooks=DisableASOSecretController,DisableAzureJSONMachineController"}), false},
	{"webhooks-openstack", nil, false},
	{"webhooks-vsphere", nil, false},
}

func (l *lab) startManagers(ctx context.Context) error {
	managers := clusterAPI
	if l.webhooks {
		if err := l.requireWebhooks(); err != nil {
			return err
		}
		managers = slices.Concat(clusterAPI, webhookServers)
	}
	webhookPorts, err := freePorts(len(managers))
	if err != nil {
		return err
	}
	for at, each := range managers {
		if !each.hasCRDs {
			continue
		}
		if err := l.cluster.installCRDs(ctx, l.manifests(each, "crds"), webhookPorts[at]); err != nil {
			return fmt.Errorf("failed to install the kinds of %s: %w", each.name, err)
		}
	}
	if err := l.cluster.installProviders(ctx, l.crds); err != nil {
		return err
	}
	for at, each := range managers {
		if err := l.cluster.installWebhooks(ctx, each.name, l.manifests(each, "webhooks.yaml"), webhookPorts[at]); err != nil {
			return fmt.Errorf("failed to install the webhooks of %s: %w", each.name, err)
		}
		arguments := slices.Concat(each.arguments, []string{"--kubeconfig", l.kubeconfig,
			"--webhook-port", fmt.Sprint(webhookPorts[at]), "--webhook-cert-dir", l.pki("webhook")})
		if err := l.startReady(ctx, each.name, arguments); err != nil {
			return err
		}
	}
	return l.startReady(ctx, "stand-ins", []string{"--management", l.kubeconfig})
}

func (l *lab) manifests(of manager, name string) string {
	return filepath.Join(l.programs, "manifests", of.name, name)
}

func (l *lab) requireWebhooks() error {
	var missing []string
	for _, each := range webhookServers {
		if _, err := os.Stat(filepath.Join(l.programs, each.name)); err != nil {
			missing = append(missing, each.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not built: %s. Run: npm run cluster-api:install -- webhooks", strings.Join(missing, ", "))
	}
	return nil
}

// startReady starts a program with --health-addr, and waits until it is ready.
func (l *lab) startReady(ctx context.Context, name string, arguments []string) error {
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	health := fmt.Sprintf("127.0.0.1:%d", ports[0])
	if err := l.processes.start(name, append(arguments, "--health-addr", health)...); err != nil {
		return err
	}
	return l.processes.until(ctx, name+" is ready", func() bool {
		response, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}
