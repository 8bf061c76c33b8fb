// Command argocd-diff compares manifests with a cluster as Argo CD does: by the engine of its repository, with the
// server-side diff of its annotation ServerSideDiff=true, and with the three-way diff that is its default.
//
// It reads a JSON array of objects from its standard input and writes a JSON array, an element for each object.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// The field manager that Argo CD applies with.
const manager = "argocd-controller"

type verdict struct {
	Kind       string          `json:"kind"`
	Name       string          `json:"name"`
	ServerSide bool            `json:"serverSide"`
	ThreeWay   bool            `json:"threeWay"`
	Live       json.RawMessage `json:"live"`
	Predicted  json.RawMessage `json:"predicted"`
}

type comparison struct {
	config  *rest.Config
	mapper  meta.RESTMapper
	client  dynamic.Interface
	options []diff.Option
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "argocd-diff: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: argocd-diff KUBECONFIG < objects.json")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		return err
	}
	var wanted []*unstructured.Unstructured
	if err := json.NewDecoder(os.Stdin).Decode(&wanted); err != nil {
		return fmt.Errorf("standard input is no JSON array of objects: %w", err)
	}
	compared, done, err := newComparison(config)
	if err != nil {
		return err
	}
	defer done()
	verdicts := make([]verdict, 0, len(wanted))
	for _, each := range wanted {
		found, err := compared.compare(each)
		if err != nil {
			return fmt.Errorf("%s %s: %w", each.GetKind(), each.GetName(), err)
		}
		verdicts = append(verdicts, found)
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

func newComparison(config *rest.Config) (*comparison, func(), error) {
	commands := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	schemas, parser, err := commands.LoadOpenAPISchema(config)
	if err != nil {
		return nil, nil, err
	}
	applier, done, err := kube.ManageServerSideDiffDryRuns(config, schemas, commands.Tracer, commands.Log, nil)
	if err != nil {
		return nil, nil, err
	}
	groups, err := restmapper.GetAPIGroupResources(discovery.NewDiscoveryClientForConfigOrDie(config))
	if err != nil {
		return nil, nil, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, err
	}
	options := []diff.Option{
		diff.WithLogr(logr.Discard()),
		diff.WithServerSideDiff(true),
		diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(applier)),
		diff.WithManager(manager),
		diff.WithGVKParser(parser),
	}
	return &comparison{config, restmapper.NewDiscoveryRESTMapper(groups), client, options}, done, nil
}

func (c *comparison) compare(wanted *unstructured.Unstructured) (verdict, error) {
	kind := wanted.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return verdict{}, err
	}
	live, err := c.client.Resource(mapping.Resource).Namespace(wanted.GetNamespace()).
		Get(context.Background(), wanted.GetName(), metav1.GetOptions{})
	if err != nil {
		return verdict{}, err
	}
	serverSide, err := diff.Diff(wanted.DeepCopy(), live.DeepCopy(), c.options...)
	if err != nil {
		return verdict{}, err
	}
	threeWay, err := diff.Diff(wanted.DeepCopy(), live.DeepCopy(), diff.WithLogr(logr.Discard()))
	if err != nil {
		return verdict{}, err
	}
	return verdict{
		Kind:       wanted.GetKind(),
		Name:       wanted.GetName(),
		ServerSide: serverSide.Modified,
		ThreeWay:   threeWay.Modified,
		Live:       serverSide.NormalizedLive,
		Predicted:  serverSide.PredictedLive,
	}, nil
}
