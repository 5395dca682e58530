package main

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// azureFiles creates a Secret for each machine template of Azure, as its provider does. Machines get the configuration of the cloud from
// it, so they have no bootstrap data without it.
type azureFiles struct{ store store }

func (a azureFiles) watch(manager ctrl.Manager) error {
	template := &unstructured.Unstructured{}
	template.SetGroupVersionKind(infrastructureKind("v1beta1", "AzureMachineTemplate"))
	return ctrl.NewControllerManagedBy(manager).Named("azure-files").For(template).Complete(a)
}

// Reconcile implements reconcile.Reconciler.
func (a azureFiles) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	kind := infrastructureKind("v1beta1", "AzureMachineTemplate")
	template, err := a.store.find(ctx, kind, request.Namespace, request.Name)
	if template == nil || template.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, err
	}
	owner := metav1.OwnerReference{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Name: template.GetName(), UID: template.GetUID()}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: request.Namespace, Name: request.Name + "-azure-json", OwnerReferences: []metav1.OwnerReference{owner}},
		Data: map[string][]byte{"control-plane-azure.json": []byte("{}"), "worker-node-azure.json": []byte("{}")},
	}
	return ctrl.Result{}, client.IgnoreAlreadyExists(a.store.Create(ctx, secret))
}
