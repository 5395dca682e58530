package main

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ame-clusters.invalid/cluster-api/controllers/providers"
)

// clusterTwins reports the clusters of a provider.
func clusterTwins(objects store, provider providers.Provider, endpoints *endpoints) *twins {
	return &twins{
		store: objects, kind: infrastructureKind(provider.Version, provider.Cluster),
		twin: infrastructureKind("v1beta2", "DevCluster"), owner: "Cluster",
		specOf: func(*unstructured.Unstructured) map[string]any {
			return map[string]any{"backend": map[string]any{"inMemory": map[string]any{}}}
		},
		report: func(object, twin, owner *unstructured.Unstructured) error {
			if isProvisioned(twin) {
				reportCluster(provider, object, twin)
			}
			return endpoints.forward(client.ObjectKeyFromObject(owner), object, twin)
		},
		removed: func(object *unstructured.Unstructured) { endpoints.close(client.ObjectKeyFromObject(object)) },
	}
}

// machineTwins reports the machines of a provider.
func machineTwins(objects store, provider providers.Provider) *twins {
	return &twins{
		store: objects, kind: infrastructureKind(provider.Version, provider.Machine),
		twin: infrastructureKind("v1beta2", "DevMachine"), owner: "Machine",
		specOf: machineTwin,
		report: func(object, twin, owner *unstructured.Unstructured) error {
			if isProvisioned(twin) {
				reportMachine(provider, object, twin, owner)
			}
			return nil
		},
		removed: func(*unstructured.Unstructured) {},
	}
}

// machineTwin returns nil until there is bootstrap data: providers need it to create a machine.
func machineTwin(machine *unstructured.Unstructured) map[string]any {
	if secret, _, _ := unstructured.NestedString(machine.Object, "spec", "bootstrap", "dataSecretName"); secret == "" {
		return nil
	}
	parts := []string{"vm", "node"}
	if _, isControlPlane := machine.GetLabels()["cluster.x-k8s.io/control-plane"]; isControlPlane {
		parts = append(parts, "apiServer", "etcd")
	}
	inMemory := map[string]any{}
	for _, part := range parts {
		inMemory[part] = map[string]any{"provisioning": map[string]any{"startupDuration": "1s"}}
	}
	return map[string]any{"backend": map[string]any{"inMemory": inMemory}}
}

func isProvisioned(twin *unstructured.Unstructured) bool {
	provisioned, _, _ := unstructured.NestedBool(twin.Object, "status", "initialization", "provisioned")
	return provisioned
}

func setProvisioned(contract string, object *unstructured.Unstructured) {
	if contract == "v1beta1" {
		set(object, true, "status", "ready")
	} else {
		set(object, true, "status", "initialization", "provisioned")
	}
}

func reportCluster(provider providers.Provider, object, twin *unstructured.Unstructured) {
	if host, _, _ := unstructured.NestedString(object.Object, "spec", "controlPlaneEndpoint", "host"); host == "" {
		endpoint, _, _ := unstructured.NestedMap(twin.Object, "spec", "controlPlaneEndpoint")
		set(object, endpoint, "spec", "controlPlaneEndpoint")
	}
	spec, _, _ := unstructured.NestedMap(object.Object, "spec")
	if zones := zonesOf(provider.Name, spec); len(zones) > 0 {
		// A map in contract v1beta1. In v1beta2 it is a list, but the provider with that contract has no zones.
		failureDomains := map[string]any{}
		for _, zone := range zones {
			failureDomains[zone] = map[string]any{"controlPlane": true}
		}
		set(object, failureDomains, "status", "failureDomains")
	}
	setProvisioned(provider.Contract, object)
}

func reportMachine(provider providers.Provider, object, twin, machine *unstructured.Unstructured) {
	id, _, _ := unstructured.NestedString(twin.Object, "spec", "providerID")
	set(object, id, "spec", "providerID")
	set(object, []any{map[string]any{"type": "InternalIP", "address": "127.0.0.1"}}, "status", "addresses")
	zone, _, _ := unstructured.NestedString(machine.Object, "spec", "failureDomain")
	if zone != "" && provider.Contract == "v1beta2" {
		set(object, zone, "status", "failureDomain")
	}
	setProvisioned(provider.Contract, object)
}
