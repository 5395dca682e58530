// Command vsphere serves the admission webhooks of Cluster API's provider for vSphere.
package main

import (
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cluster-api-provider-vsphere/api/govmomi/v1beta2"
	"sigs.k8s.io/cluster-api-provider-vsphere/webhooks"

	"ame-clusters.invalid/cluster-api/webhooks/server"
)

func main() {
	server.Main(runtime.SchemeBuilder{v1beta2.AddToScheme}, server.All(
		&webhooks.VSphereMachine{}, &webhooks.VSphereMachineTemplate{},
		&webhooks.VSphereDeploymentZone{}, &webhooks.VSphereFailureDomain{},
	))
}
