//go:build commands

// Package apiserver pins the Kubernetes commands that the tests run. Kubernetes cannot be installed
// with `go install pkg@version` because its go.mod replaces its staging modules; this module repeats
// those replacements.
package apiserver

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kube-proxy"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
	_ "k8s.io/kubernetes/cmd/kubectl"
	_ "k8s.io/kubernetes/cmd/kubelet"
)
