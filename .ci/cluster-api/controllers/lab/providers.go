package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"ame-clusters.invalid/cluster-api/controllers/providers"
)

// installProviders applies the CustomResourceDefinitions of the providers, each of which has one version, and those of their machines.
func (c *cluster) installProviders(ctx context.Context, folder string) error {
	for _, provider := range providers.All {
		crds, err := readObjects(filepath.Join(folder, provider.Name))
		if err != nil {
			return err
		}
		if len(crds) == 0 {
			return fmt.Errorf("no CustomResourceDefinition in %s", filepath.Join(folder, provider.Name))
		}
		for _, crd := range crds {
			if strings.Contains(crd.GetName(), "machinetemplates.") {
				machines, err := machinesOf(crd)
				if err != nil {
					return fmt.Errorf("%s: %w", crd.GetName(), err)
				}
				crds = append(crds, machines)
			}
		}
		for _, crd := range crds {
			versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
			if len(versions) != 1 {
				return fmt.Errorf("%s has %d versions; the lab converts between none", crd.GetName(), len(versions))
			}
			version, _, _ := unstructured.NestedString(versions[0].(map[string]any), "name")
			crd.SetLabels(map[string]string{"cluster.x-k8s.io/" + provider.Contract: version})
			if err := c.apply(ctx, crdCollection, crd); err != nil {
				return err
			}
		}
	}
	return nil
}

// machinesOf derives the CustomResourceDefinition of machines from that of their templates. The spec of a machine is the spec in the
// template, with providerID.
func machinesOf(templates unstructured.Unstructured) (unstructured.Unstructured, error) {
	crd := *templates.DeepCopy()
	crd.SetName(strings.Replace(crd.GetName(), "machinetemplates.", "machines.", 1))
	names, _, err := unstructured.NestedMap(crd.Object, "spec", "names")
	if err != nil {
		return crd, err
	}
	for _, key := range []string{"kind", "listKind", "plural", "singular"} {
		names[key] = strings.NewReplacer("Template", "", "template", "").Replace(names[key].(string))
	}
	delete(names, "shortNames")
	if err := unstructured.SetNestedMap(crd.Object, names, "spec", "names"); err != nil {
		return crd, err
	}
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil {
		return crd, err
	}
	for _, each := range versions {
		version := each.(map[string]any)
		spec, found, err := unstructured.NestedMap(version, "schema", "openAPIV3Schema",
			"properties", "spec", "properties", "template", "properties", "spec")
		if err != nil || !found {
			return crd, fmt.Errorf("no schema of spec.template.spec: %w", err)
		}
		if err := unstructured.SetNestedField(spec, map[string]any{"type": "string"}, "properties", "providerID"); err != nil {
			return crd, err
		}
		version["schema"] = map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{
			"apiVersion": map[string]any{"type": "string"},
			"kind":       map[string]any{"type": "string"},
			"metadata":   map[string]any{"type": "object"},
			"spec":       spec,
			"status":     map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
		}}}
		version["subresources"] = map[string]any{"status": map[string]any{}}
		delete(version, "additionalPrinterColumns")
	}
	return crd, unstructured.SetNestedSlice(crd.Object, versions, "spec", "versions")
}
