#!/usr/bin/env bash
# Starts the lab, a Cluster API management cluster for tests:
#   bash start.sh [options of the lab]
# It prints "READY" with the path of the kubeconfig and runs until SIGTERM. SIGUSR1 kills the API server for five seconds.
# CLUSTER_API_WEBHOOKS=1 runs the admission webhooks of the providers, too. CLUSTER_API_BIN is the folder of the programs if it is not
# bin/. CLUSTER_API_DATA is the folder of the kubeconfig and the logs if it is not .data/; it has to be a lab's or empty.
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
programs=$(realpath --canonicalize-missing "${CLUSTER_API_BIN:-$folder/bin}")

webhooks=()
if [[ ${CLUSTER_API_WEBHOOKS:-} == 1 ]]; then webhooks=(-webhooks); fi
if [[ ! -x $programs/lab ]]; then
  echo "The lab is not built: $programs/lab is missing. Run: npm run cluster-api:install${webhooks:+ -- webhooks}" >&2
  exit 1
fi
exec "$programs/lab" -programs "$programs" -crds "$folder/../../test/cluster-api/crds" -data "${CLUSTER_API_DATA:-$folder/.data}" \
  "${webhooks[@]}" "$@"
