package main

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// zonesOf returns the failure domains that a provider's controllers would report for a cluster.
func zonesOf(provider string, spec map[string]any) []string {
	switch provider {
	case "aws":
		region, _, _ := unstructured.NestedString(spec, "region")
		zones := []string{region + "a", region + "b", region + "c"}
		limit, found, _ := unstructured.NestedInt64(spec, "network", "vpc", "availabilityZoneUsageLimit")
		if found {
			return zones[:max(0, min(int(limit), len(zones)))]
		}
		return zones
	case "azure":
		// The provider reports all zones of the region, except those that the specification excludes.
		domains, _, _ := unstructured.NestedMap(spec, "failureDomains")
		return slices.DeleteFunc([]string{"1", "2", "3"}, func(zone string) bool {
			usable, _, _ := unstructured.NestedBool(domains, zone, "controlPlane")
			return domains[zone] != nil && !usable
		})
	case "openstack":
		zones, _, _ := unstructured.NestedStringSlice(spec, "controlPlaneAvailabilityZones")
		return zones
	case "hetzner":
		regions, _, _ := unstructured.NestedStringSlice(spec, "controlPlaneRegions")
		return regions
	}
	return nil
}
