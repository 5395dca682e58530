package main

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func coreKind(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "cluster.x-k8s.io", Version: "v1beta2", Kind: kind}
}

func infrastructureKind(version, kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "infrastructure.cluster.x-k8s.io", Version: version, Kind: kind}
}

// store reads and writes objects of the management cluster.
type store struct{ client.Client }

// find returns an object, or nil if there is none.
func (s store) find(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	err := s.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return object, nil
}

// ownerOf returns the owner of a kind, or nil if the object has none.
func (s store) ownerOf(ctx context.Context, object *unstructured.Unstructured, kind string) (*unstructured.Unstructured, error) {
	for _, each := range object.GetOwnerReferences() {
		if each.Kind == kind {
			return s.find(ctx, coreKind(kind), object.GetNamespace(), each.Name)
		}
	}
	return nil, nil
}

// saveChanges writes spec and status if they differ from an earlier copy of the object.
func (s store) saveChanges(ctx context.Context, before, object *unstructured.Unstructured) error {
	status := object.Object["status"]
	if !equality.Semantic.DeepEqual(before.Object["spec"], object.Object["spec"]) {
		// The response replaces the object, whose status this request does not write.
		if err := s.Patch(ctx, object, client.MergeFrom(before)); err != nil {
			return err
		}
	}
	if equality.Semantic.DeepEqual(before.Object["status"], status) {
		return nil
	}
	object.Object["status"] = status
	before.SetResourceVersion(object.GetResourceVersion())
	return s.Status().Patch(ctx, object, client.MergeFrom(before))
}

// ignoreConflict returns nil for a conflict: the object has changed, and the change reconciles it again.
func ignoreConflict(err error) error {
	if errors.IsConflict(err) {
		return nil
	}
	return err
}

// set writes a field of an object. It panics if a part of the path is not an object, which no schema allows.
func set(object *unstructured.Unstructured, value any, path ...string) {
	if err := unstructured.SetNestedField(object.Object, value, path...); err != nil {
		panic(err)
	}
}
