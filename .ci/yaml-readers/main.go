// Reads YAML documents as Kubernetes' own programs do.
//
// Standard input is JSON: an array of documents, each with its reader. Standard output is JSON in the same
// order: the JSON that the reader decoded, or the reason for a refusal.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"

	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	names "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/tools/clientcmd"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"
)

type document struct {
	// Reader is kubelet, kubectl or yaml, or one that checks a single value: annotation-key, label-key, label-value, cidr.
	Reader string `json:"reader"`
	Text   string `json:"text"`
}

type result struct {
	Read  any    `json:"read,omitempty"`
	Error string `json:"error,omitempty"`
}

// readers maps the name of a reader to a function that decodes a document.
var readers = map[string]func([]byte) (any, error){
	"kubelet": readKubeletConfiguration,
	"kubectl": readKubeconfig,
	"yaml":    readYAML,
	"annotation-key": func(text []byte) (any, error) {
		return nil, validation.ValidateAnnotations(map[string]string{string(text): ""}, nil).ToAggregate()
	},
	"label-key":   checkText(names.IsQualifiedName),
	"label-value": checkText(names.IsValidLabelValue),
	"cidr":        readCIDR,
}

// checkText makes a reader of a check that returns every problem of a text.
func checkText(check func(string) []string) func([]byte) (any, error) {
	return func(text []byte) (any, error) {
		if problems := check(string(text)); len(problems) > 0 {
			return nil, fmt.Errorf("%v", problems)
		}
		return nil, nil
	}
}

// readCIDR checks a block as the API server checks new ones. It returns whether the first address of the block may be that of an
// endpoint, by the conditions of ValidateNonSpecialIP in k8s.io/kubernetes/pkg/apis/core/validation, which cannot be imported.
func readCIDR(text []byte) (any, error) {
	if problems := names.IsValidCIDR(field.NewPath("cidr"), string(text)); len(problems) > 0 {
		return nil, problems.ToAggregate()
	}
	ip, _, err := net.ParseCIDR(string(text))
	if err != nil {
		return nil, err
	}
	return !(ip.IsUnspecified() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast()), nil
}

// readKubeletConfiguration decodes strictly, as the kubelet decodes the file of --config: unknown and repeated fields are errors.
func readKubeletConfiguration(text []byte) (any, error) {
	scheme := runtime.NewScheme()
	utilruntime.Must(kubelet.AddToScheme(scheme))
	codecs := serializer.NewCodecFactory(scheme, serializer.EnableStrict)
	object, _, err := codecs.UniversalDeserializer().Decode(text, nil, nil)
	if err != nil {
		return nil, err
	}
	configuration, ok := object.(*kubelet.KubeletConfiguration)
	if !ok {
		return nil, fmt.Errorf("not a KubeletConfiguration but %T", object)
	}
	return configuration, nil
}

// readKubeconfig loads, checks and resolves a kubeconfig as kubectl does. It returns the names that kubectl uses.
func readKubeconfig(text []byte) (any, error) {
	config, err := clientcmd.Load(text)
	if err != nil {
		return nil, err
	}
	if err := clientcmd.Validate(*config); err != nil {
		return nil, err
	}
	current, ok := config.Contexts[config.CurrentContext]
	if !ok {
		return nil, fmt.Errorf("no context %q", config.CurrentContext)
	}
	user, ok := config.AuthInfos[current.AuthInfo]
	if !ok || user.Exec == nil {
		return nil, fmt.Errorf("no user %q with a command", current.AuthInfo)
	}
	cluster, ok := config.Clusters[current.Cluster]
	if !ok {
		return nil, fmt.Errorf("no cluster %q", current.Cluster)
	}
	return map[string]any{
		"context": config.CurrentContext,
		"cluster": current.Cluster,
		"user":    current.AuthInfo,
		"server":  cluster.Server,
		"args":    user.Exec.Args,
	}, nil
}

// readYAML decodes with the YAML package that kubelet, kubeadm and kubectl decode with.
func readYAML(text []byte) (any, error) {
	var read any
	err := yaml.UnmarshalStrict(text, &read)
	return read, err
}

func main() {
	var documents []document
	if err := json.NewDecoder(os.Stdin).Decode(&documents); err != nil {
		fmt.Fprintln(os.Stderr, "standard input is not a JSON array of documents:", err)
		os.Exit(1)
	}
	results := make([]result, len(documents))
	for i, each := range documents {
		read, ok := readers[each.Reader]
		if !ok {
			fmt.Fprintf(os.Stderr, "no reader %q\n", each.Reader)
			os.Exit(1)
		}
		value, err := read([]byte(each.Text))
		if err != nil {
			results[i].Error = err.Error()
			continue
		}
		results[i].Read = value
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
