package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// kamaji reports the management cluster itself as the control plane of each KamajiControlPlane, so bootstrap tokens that are created
// in it are accepted.
type kamaji struct {
	store      store
	management *rest.Config
	kubeconfig []byte
}

var kamajiKind = schema.GroupVersionKind{Group: "controlplane.cluster.x-k8s.io", Version: "v1alpha2", Kind: "KamajiControlPlane"}

func (k *kamaji) watch(manager ctrl.Manager) error {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kamajiKind)
	return ctrl.NewControllerManagedBy(manager).Named("kamaji").For(object).Complete(k)
}

// Reconcile implements reconcile.Reconciler.
func (k *kamaji) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	object, err := k.store.find(ctx, kamajiKind, request.Namespace, request.Name)
	if object == nil || object.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, err
	}
	cluster, err := k.store.ownerOf(ctx, object, "Cluster")
	if cluster == nil {
		return ctrl.Result{}, err
	}
	secrets := map[string]map[string][]byte{
		cluster.GetName() + "-kubeconfig": {"value": k.kubeconfig},
		cluster.GetName() + "-ca":         {"tls.crt": k.management.CAData},
	}
	for name, data := range secrets {
		secret := &corev1.Secret{}
		secret.Namespace, secret.Name = request.Namespace, name
		if _, err := controllerutil.CreateOrUpdate(ctx, k.store, secret, func() error {
			secret.Labels = map[string]string{"cluster.x-k8s.io/cluster-name": cluster.GetName()}
			secret.Type, secret.Data = "cluster.x-k8s.io/secret", data
			secret.OwnerReferences = object.GetOwnerReferences()
			return nil
		}); err != nil {
			return ctrl.Result{}, err
		}
	}
	before := object.DeepCopy()
	if err := k.report(object); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, k.store.saveChanges(ctx, before, object)
}

func (k *kamaji) report(object *unstructured.Unstructured) error {
	server, err := url.Parse(k.management.Host)
	if err != nil {
		return err
	}
	port, err := strconv.ParseInt(server.Port(), 10, 32)
	if err != nil {
		return fmt.Errorf("no port in %s: %w", k.management.Host, err)
	}
	set(object, map[string]any{"host": server.Hostname(), "port": port}, "spec", "controlPlaneEndpoint")
	replicas, found, _ := unstructured.NestedInt64(object.Object, "spec", "replicas")
	if !found {
		replicas = 1
	}
	for _, count := range []string{"replicas", "readyReplicas", "availableReplicas", "upToDateReplicas"} {
		set(object, replicas, "status", count)
	}
	version, _, _ := unstructured.NestedString(object.Object, "spec", "version")
	set(object, version, "status", "version")
	set(object, true, "status", "externalManagedControlPlane")
	set(object, true, "status", "ready")
	set(object, true, "status", "initialization", "controlPlaneInitialized")
	return nil
}
