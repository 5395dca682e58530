// Command aws serves the admission webhooks of Cluster API's provider for AWS.
package main

import (
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cluster-api-provider-aws/v2/api/v1beta2"
	"sigs.k8s.io/cluster-api-provider-aws/v2/webhooks"

	"ame-clusters.invalid/cluster-api/webhooks/server"
)

func main() {
	server.Main(runtime.SchemeBuilder{v1beta2.AddToScheme}, server.All(
		&webhooks.AWSCluster{}, &webhooks.AWSClusterStaticIdentity{}, &webhooks.AWSClusterRoleIdentity{},
		&webhooks.AWSMachine{}, &webhooks.AWSMachineTemplate{},
	))
}
