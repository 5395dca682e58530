// Package providers lists Cluster API's providers whose custom resources the lab serves without their own controllers.
package providers

// Provider has kinds of which the lab reports the state.
type Provider struct {
	// Name is the folder of the provider's CustomResourceDefinitions.
	Name string
	// Contract is the version of Cluster API's contract that the kinds implement.
	Contract string
	// Version of the API of the kinds.
	Version string
	// Cluster and Machine are kinds of infrastructure.cluster.x-k8s.io, empty if the provider has none.
	Cluster, Machine string
}

// All providers.
var All = []Provider{
	{"aws", "v1beta1", "v1beta2", "AWSCluster", "AWSMachine"},
	{"azure", "v1beta1", "v1beta1", "AzureCluster", "AzureMachine"},
	{"byon", "v1beta2", "v1alpha2", "", ""},
	{"digitalocean", "v1beta1", "v1beta1", "DOCluster", "DOMachine"},
	{"hetzner", "v1beta1", "v1beta1", "HetznerCluster", "HCloudMachine"},
	{"openstack", "v1beta1", "v1beta1", "OpenStackCluster", "OpenStackMachine"},
	{"vsphere", "v1beta2", "v1beta2", "VSphereCluster", "VSphereMachine"},
}
