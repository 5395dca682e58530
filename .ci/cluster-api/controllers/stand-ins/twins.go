package main

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// domain of the stand-ins' finalizers and annotations.
const domain = "stand-ins.invalid"

const finalizer = domain + "/twin"

// twins creates and deletes the twins of the objects of a kind, and reports their state.
type twins struct {
	store      store
	kind, twin schema.GroupVersionKind
	// owner is the kind that owns objects and twins.
	owner string
	// specOf returns the specification of a new twin, or nil if it is too early for a twin.
	specOf func(owner *unstructured.Unstructured) map[string]any
	// report writes the state of the twin to the object.
	report func(object, twin, owner *unstructured.Unstructured) error
	// removed runs when the twin is gone, before the object goes.
	removed func(object *unstructured.Unstructured)
}

// Reconcile implements reconcile.Reconciler.
func (t *twins) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	object, err := t.store.find(ctx, t.kind, request.Namespace, request.Name)
	if object == nil {
		return ctrl.Result{}, err
	}
	twin, err := t.store.find(ctx, t.twin, request.Namespace, request.Name)
	if err != nil {
		return ctrl.Result{}, err
	}
	if object.GetDeletionTimestamp() != nil {
		return ctrl.Result{}, t.remove(ctx, object, twin)
	}
	owner, err := t.store.ownerOf(ctx, object, t.owner)
	if owner == nil {
		return ctrl.Result{}, err
	}
	if controllerutil.AddFinalizer(object, finalizer) {
		if err := t.store.Update(ctx, object); err != nil {
			return ctrl.Result{}, ignoreConflict(err)
		}
	}
	if twin == nil {
		return ctrl.Result{}, t.create(ctx, object, owner)
	}
	before := object.DeepCopy()
	if err := t.report(object, twin, owner); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, t.store.saveChanges(ctx, before, object)
}

func (t *twins) create(ctx context.Context, object, owner *unstructured.Unstructured) error {
	spec := t.specOf(owner)
	if spec == nil {
		return nil
	}
	twin := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	twin.SetGroupVersionKind(t.twin)
	twin.SetNamespace(object.GetNamespace())
	twin.SetName(object.GetName())
	twin.SetLabels(object.GetLabels())
	// The in-memory provider panics on a DevCluster without annotations.
	twin.SetAnnotations(map[string]string{domain + "/twin-of": object.GetKind()})
	twin.SetOwnerReferences(object.GetOwnerReferences())
	return t.store.Create(ctx, twin)
}

func (t *twins) remove(ctx context.Context, object, twin *unstructured.Unstructured) error {
	if twin != nil {
		if twin.GetDeletionTimestamp() != nil {
			return nil
		}
		return client.IgnoreNotFound(t.store.Delete(ctx, twin))
	}
	t.removed(object)
	if !controllerutil.RemoveFinalizer(object, finalizer) {
		return nil
	}
	return ignoreConflict(client.IgnoreNotFound(t.store.Update(ctx, object)))
}
