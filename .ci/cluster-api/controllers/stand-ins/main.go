// Command stand-ins reports the state of clusters and machines of infrastructure providers whose controllers the lab does not run.
//
// Each AWSCluster, AWSMachine and so on gets a twin: a DevCluster or DevMachine of the same name and with the same owner, which the
// in-memory provider runs. The state of the twin is written to the object as the provider's contract requires. Of the object's own
// specification only the endpoint and the zones have an effect.
//
// Each KamajiControlPlane gets the management cluster itself as its control plane, and each AzureMachineTemplate the Secret that its
// machines need.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metrics "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"ame-clusters.invalid/cluster-api/controllers/providers"
)

func main() {
	kubeconfig := flag.String("management", "", "kubeconfig of the management cluster")
	health := flag.String("health-addr", "", "address of /readyz")
	flag.Parse()
	if err := run(*kubeconfig, *health); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(kubeconfig, health string) error {
	ctrl.SetLogger(klog.Background())
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 200, 200
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Metrics: metrics.Options{BindAddress: "0"}, HealthProbeBindAddress: health})
	if err != nil {
		return err
	}
	if err := manager.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	objects := store{manager.GetClient()}
	endpoints := newEndpoints(objects)
	for _, provider := range providers.All {
		if provider.Cluster == "" {
			continue
		}
		if err := watch(manager, clusterTwins(objects, provider, endpoints)); err != nil {
			return err
		}
		if err := watch(manager, machineTwins(objects, provider)); err != nil {
			return err
		}
	}
	if err := (azureFiles{objects}).watch(manager); err != nil {
		return err
	}
	content, err := os.ReadFile(kubeconfig)
	if err != nil {
		return err
	}
	if err := (&kamaji{objects, config, content}).watch(manager); err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}

// watch reconciles an object if it, its twin or its owner changes. All three have the same name: Cluster API gives infrastructure
// machines the names of their Machines, and a Cluster's infrastructure has to have the Cluster's name.
func watch(manager ctrl.Manager, of *twins) error {
	sameName := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}}}
	})
	object, twin, owner := &unstructured.Unstructured{}, &unstructured.Unstructured{}, &unstructured.Unstructured{}
	object.SetGroupVersionKind(of.kind)
	twin.SetGroupVersionKind(of.twin)
	owner.SetGroupVersionKind(coreKind(of.owner))
	return ctrl.NewControllerManagedBy(manager).Named(of.kind.Kind).For(object).
		Watches(twin, sameName).Watches(owner, sameName).Complete(of)
}
