#!/bin/bash
# Gets the Kubernetes programs that the API server tier runs: etcd, kube-apiserver and kubectl; `get.sh helm`: Helm;
# `get.sh metallb`: MetalLB's controller and speaker, and its chart in `chart`, for the tests of the migration from it.
# `get.sh cluster`: also what runs a node and the cluster tier's control plane: kubelet, kube-proxy,
# kube-controller-manager and kube-scheduler. Prints the folder that holds them on stdout, progress on stderr.
#
# KUBEBUILDER_ASSETS=DIR with all of the programs in it is used as it is. Otherwise they are built once
# through the Go module proxy (about six minutes on two cores, the cluster's and Helm two more each, MetalLB three) and
# kept per user and version.
#
# Exit code 3: there is no Go compiler to build them with; what needs them is to be skipped.
set -euo pipefail
cd "$(dirname "$0")"

say() { echo "kubernetes: $*" >&2; }

cache=${FERROLB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ferrolb}
need_go() {
  command -v go >/dev/null || { say "go is missing (1.26 or newer): install it$1"; exit 3; }
}
version() { awk -v module="$1" '$1 == "require" && $2 == module { print $3 } $1 == module && $2 ~ /^v/ { print $2 }' "$2" | head -1; }
kubernetes=$(version k8s.io/kubernetes apiserver/go.mod)
IFS=. read -r major minor _ <<<"${kubernetes#v}"

# Installs programs of a module beside their place and moves them there when all are made, so that they are whole or absent.
install() { # folder, minutes, what, linker flags, programs with their version ...
  local folder=$1 minutes=$2 what=$3 flags=$4 begin=$SECONDS
  shift 4
  say "building $what once into $folder (about $minutes minutes on two cores)"
  GOBIN=$folder/.building CGO_ENABLED=0 go install -trimpath -ldflags "-s -w $flags" "$@" >&2
  mv "$folder/.building"/* "$folder"
  rmdir "$folder/.building"
  say "$what built in $((SECONDS - begin)) s"
}
lock() { # folder; two at once would only build the same twice
  mkdir -p "$1"
  exec 9>"$1/.lock"
  flock 9
}

helm=v3.19.0
if [[ ${1:-} == helm ]]; then
  folder=$cache/helm-$helm
  if [[ -x $folder/helm ]]; then echo "$folder"; exit 0; fi
  need_go ""
  lock "$folder"
  module=helm.sh/helm/v3
  stamp="-X $module/internal/version.version=$helm"
  # What `helm template` takes the cluster for, where it asks none.
  for package in chartutil lint/rules; do
    stamp+=" -X $module/pkg/$package.k8sVersionMajor=$major -X $module/pkg/$package.k8sVersionMinor=$minor"
  done
  [[ -x $folder/helm ]] || install "$folder" two "helm $helm" "$stamp" "$module/cmd/helm@$helm"
  echo "$folder"
  exit 0
fi

metallb=v0.16.1
if [[ ${1:-} == metallb ]]; then
  folder=$cache/metallb-$metallb
  if [[ -x $folder/speaker && -d $folder/chart ]]; then echo "$folder"; exit 0; fi
  need_go ""
  lock "$folder"
  module=go.universe.tf/metallb
  [[ -x $folder/speaker ]] ||
    install "$folder" three "MetalLB $metallb" "" "$module/controller@$metallb" "$module/speaker@$metallb"
  source=$(cd / && GOFLAGS=-mod=mod go mod download -json "$module@$metallb" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  # Files of the module cache are read-only, and so would be the copy.
  cp --recursive --no-preserve=mode "$source/charts/metallb" "$folder/.chart"
  mv "$folder/.chart" "$folder/chart"
  echo "$folder"
  exit 0
fi

programs=(etcd kube-apiserver kubectl)
more=(kube-controller-manager kubelet kube-proxy kube-scheduler)
if [[ ${1:-} == cluster ]]; then programs+=("${more[@]}"); fi
complete() {
  local program
  for program in "${programs[@]}"; do [[ -x $1/$program ]] || return 1; done
}

if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
  if complete "$KUBEBUILDER_ASSETS"; then echo "$KUBEBUILDER_ASSETS"; exit 0; fi
  # Kubebuilder's own archive has no kubelet: what it lacks for a cluster is built.
  [[ ${1:-} == cluster ]] || { say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS lacks one of: ${programs[*]}"; exit 1; }
fi

etcd=$(version go.etcd.io/etcd/server/v3 etcd/go.mod)
folder=$cache/kubernetes-$kubernetes-etcd-$etcd
if complete "$folder"; then echo "$folder"; exit 0; fi

need_go ", or set KUBEBUILDER_ASSETS"

lock "$folder"
build() { # module folder, package, program, linker flags
  [[ -x $folder/$3 ]] && return
  local begin=$SECONDS
  say "building $3 ..."
  (cd "$1" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w $4" -o "$folder/.$3" "$2") >&2
  mv "$folder/.$3" "$folder/$3"
  say "$3 built in $((SECONDS - begin)) s"
}
base=k8s.io/component-base/version
stamp="-X $base.gitVersion=$kubernetes -X $base.gitMajor=$major -X $base.gitMinor=$minor"
say "building $kubernetes and etcd $etcd once into $folder (about six minutes on two cores): ${programs[*]}"
build etcd go.etcd.io/etcd/server/v3 etcd ""
build apiserver k8s.io/kubernetes/cmd/kube-apiserver kube-apiserver "$stamp"
build apiserver k8s.io/kubernetes/cmd/kubectl kubectl "$stamp"
if [[ ${1:-} == cluster ]]; then
  for program in "${more[@]}"; do build apiserver "k8s.io/kubernetes/cmd/$program" "$program" "$stamp"; done
fi
echo "$folder"
