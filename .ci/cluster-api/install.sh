#!/usr/bin/env bash
# Builds the programs of the lab, a Cluster API management cluster for tests, from modules of the Go module proxy:
#   bash install.sh [webhooks]
# With "webhooks" it also builds the admission webhooks of the providers aws, azure, openstack and vsphere. Needs Go 1.26 and Linux.
# The programs get into bin/, or into the folder of CLUSTER_API_BIN. A program that was built from the same sources is not built again.
set -euo pipefail
cd "$(dirname "$0")"

case "${1:-}" in
  '' | webhooks) ;;
  *)
    echo "Unknown argument: $1. Allowed: webhooks, or none." >&2
    exit 1
    ;;
esac
bin=$(realpath --canonicalize-missing "${CLUSTER_API_BIN:-bin}")
mkdir -p "$bin/manifests" "$bin/stamps"

# Cluster API refuses an API server without a version.
version=v1.34.4
stamped=k8s.io/component-base/version
flags="-s -w -X $stamped.gitMajor=1 -X $stamped.gitMinor=34 -X $stamped.gitVersion=$version"

# Prints a checksum of what has an effect on a program: its build's arguments and the sources of its module.
checksum() { # arguments of build
  local sources=("$1")
  # The servers of webhooks share a module.
  if [[ $1 == webhooks/* ]]; then sources+=(webhooks/server); fi
  {
    uname --kernel-name --machine
    echo "$flags $*"
    find "${sources[@]}" -type f -print0 | sort --zero-terminated | xargs --null sha256sum
  } | sha256sum
}

require_go() {
  local found
  # In a module, an older Go either downloads the module's version or fails.
  found=$(go -C cluster-api env GOVERSION 2>/dev/null) || found=$(go env GOVERSION 2>/dev/null) || found=
  if [[ -z $found || $(printf '%s\n' go1.26 "$found" | sort --version-sort | head --lines 1) != go1.26 ]]; then
    echo "Go 1.26 or newer is missing (found: ${found:-none}). Install it: https://go.dev/dl" >&2
    exit 1
  fi
}

# Builds a program, and copies the manifests of its manager.
build() { # folder of the module, name of the program, package [module with manifests, their folder]
  local stamp="$bin/stamps/$2" current
  current=$(checksum "$@")
  if [[ -x $bin/$2 && -f $stamp && $(<"$stamp") == "$current" ]]; then
    echo "$2: unchanged"
    return
  fi
  require_go
  echo "$2: building …"
  local start=$SECONDS
  rm -f "$stamp"
  go -C "$1" build -buildvcs=false -mod=readonly -trimpath -ldflags "$flags" -o "$bin/$2" "$3"
  if (($# > 3)); then
    local manifests
    manifests=$(go -C "$1" list -m -f '{{.Dir}}' "$4")/$5
    rm -rf "$bin/manifests/$2"
    if [[ -d $manifests/crd/bases && $2 != webhooks-* ]]; then
      install -D --mode 644 --target-directory "$bin/manifests/$2/crds" "$manifests"/crd/bases/*.yaml
    fi
    install -D --mode 644 "$manifests/webhook/manifests.yaml" "$bin/manifests/$2/webhooks.yaml"
  fi
  printf '%s\n' "$current" >"$stamp"
  echo "$2: built in $((SECONDS - start)) s"
}

core=sigs.k8s.io/cluster-api
build etcd etcd .
build kubernetes kube-apiserver ./apiserver
build kubernetes kube-controller-manager ./controller-manager
build cluster-api core $core/core $core core/config
build cluster-api bootstrap $core/bootstrap/kubeadm $core bootstrap/kubeadm/config
build cluster-api controlplane $core/controlplane/kubeadm $core controlplane/kubeadm/config
build controllers infrastructure $core/test/infrastructure/docker $core/test infrastructure/docker/config
build controllers stand-ins ./stand-ins
build controllers lab ./lab
if [[ ${1:-} == webhooks ]]; then
  build webhooks/aws webhooks-aws . $core-provider-aws/v2 config
  build webhooks/openstack webhooks-openstack . $core-provider-openstack config
  build webhooks/vsphere webhooks-vsphere . $core-provider-vsphere config/govmomi
  build webhooks/azure webhooks-azure $core-provider-azure $core-provider-azure config
fi
echo "The programs of the lab are in $bin."
