package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// cluster is the management cluster.
type cluster struct {
	client *kubernetes.Clientset
	// authority is the base64 of the certificate with which the webhooks' certificates are signed.
	authority string
}

func connect(kubeconfig string, authority []byte) (*cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 200, 200
	client, err := kubernetes.NewForConfig(config)
	return &cluster{client, base64.StdEncoding.EncodeToString(authority)}, err
}

func (c *cluster) isReady(ctx context.Context) bool {
	answer, err := c.client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err == nil && string(answer) == "ok"
}

// apply sends an object by server-side apply. collection is the path without the object's name.
func (c *cluster) apply(ctx context.Context, collection string, object unstructured.Unstructured) error {
	body, err := yaml.Marshal(object.Object)
	if err != nil {
		return err
	}
	err = c.client.RESTClient().Patch(types.ApplyYAMLPatchType).AbsPath(collection, object.GetName()).
		Param("fieldManager", "lab").Param("force", "true").Body(body).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

const crdCollection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

// clientConfig of a webhook on a port of loopback: no Service and no network of Services are needed.
func (c *cluster) clientConfig(port int, path string) map[string]any {
	return map[string]any{"url": fmt.Sprintf("https://127.0.0.1:%d%s", port, path), "caBundle": c.authority}
}

// installCRDs applies a manager's CustomResourceDefinitions. The manager converts between their versions at a port.
func (c *cluster) installCRDs(ctx context.Context, folder string, port int) error {
	crds, err := readObjects(folder)
	if err != nil {
		return err
	}
	for _, crd := range crds {
		// Upstream's kustomization adds these labels: the version of a kind for each version of Cluster API's contract.
		crd.SetLabels(map[string]string{"cluster.x-k8s.io/v1beta1": "v1beta1", "cluster.x-k8s.io/v1beta2": "v1beta2"})
		if versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions"); len(versions) > 1 {
			conversion := map[string]any{"strategy": "Webhook", "webhook": map[string]any{
				"conversionReviewVersions": []any{"v1"}, "clientConfig": c.clientConfig(port, "/convert")}}
			if err := unstructured.SetNestedField(crd.Object, conversion, "spec", "conversion"); err != nil {
				return err
			}
		}
		if err := c.apply(ctx, crdCollection, crd); err != nil {
			return err
		}
	}
	return nil
}

// installWebhooks applies a manager's webhook configurations with its port, and its name as a prefix, because all managers use the
// same names. Webhooks of kinds that the lab does not serve have no effect.
func (c *cluster) installWebhooks(ctx context.Context, name, file string, port int) error {
	configurations, err := readObjects(file)
	if err != nil {
		return err
	}
	for _, configuration := range configurations {
		configuration.SetName(name + "-" + configuration.GetName())
		webhooks, _, err := unstructured.NestedSlice(configuration.Object, "webhooks")
		if err != nil {
			return err
		}
		for _, each := range webhooks {
			webhook := each.(map[string]any)
			path, _, _ := unstructured.NestedString(webhook, "clientConfig", "service", "path")
			webhook["clientConfig"] = c.clientConfig(port, path)
		}
		if err := unstructured.SetNestedSlice(configuration.Object, webhooks, "webhooks"); err != nil {
			return err
		}
		collection := "/apis/admissionregistration.k8s.io/v1/" + strings.ToLower(configuration.GetKind()) + "s"
		if err := c.apply(ctx, collection, configuration); err != nil {
			return err
		}
	}
	return nil
}

var separator = regexp.MustCompile(`(?m)^---\s*$`)

// readObjects reads the YAML documents of a file, or of all YAML files below a folder.
func readObjects(path string) ([]unstructured.Unstructured, error) {
	var objects []unstructured.Unstructured
	err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(file) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, document := range separator.Split(string(text), -1) {
			object := map[string]any{}
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if len(object) > 0 {
				objects = append(objects, unstructured.Unstructured{Object: object})
			}
		}
		return nil
	})
	return objects, err
}
