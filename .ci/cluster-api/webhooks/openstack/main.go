// Command openstack serves the admission webhooks of Cluster API's provider for OpenStack.
package main

import (
	"errors"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cluster-api-provider-openstack/api/v1alpha1"
	"sigs.k8s.io/cluster-api-provider-openstack/api/v1beta1"
	"sigs.k8s.io/cluster-api-provider-openstack/pkg/webhooks"
	ctrl "sigs.k8s.io/controller-runtime"

	"ame-clusters.invalid/cluster-api/webhooks/server"
)

func main() {
	types := runtime.SchemeBuilder{v1alpha1.AddToScheme, v1beta1.AddToScheme}
	server.Main(types, func(manager ctrl.Manager) error {
		return errors.Join(webhooks.RegisterAllWithManager(manager)...)
	})
}
