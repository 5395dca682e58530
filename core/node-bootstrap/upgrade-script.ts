/** Builds the script that upgrades a node to another version, in the order of Kubernetes' documentation. */

import type { upgradeStrategies } from "../node-pool/schema.ts";
import type { JoinInput } from "./input.ts";
import {
  buildDownloadVariables,
  buildHeader,
  buildInstallCommand,
  CHECK_FUNCTIONS,
  CHECK_SYSTEM,
  FUNCTIONS,
  poolSuffix,
} from "./script.ts";
import { quote } from "./shell.ts";
import type { NodeSoftware } from "./software.ts";
import { CONTAINER_TOOLS, HOST_SETTINGS, installContainerRuntime, installKubelet, UPDATE_SETTINGS } from "./steps.ts";

type UpgradeStrategy = (typeof upgradeStrategies)[number];

const DRAIN = [
  "1. kubectl drain <node> --ignore-daemonsets --delete-emptydir-data",
  "2. run this script on the node",
  "3. kubectl uncordon <node>",
];
const REPLACE = [
  "1. join a new machine, with the install script or cloud-init of the new version",
  "2. kubectl drain <node> --ignore-daemonsets --delete-emptydir-data, and kubectl delete node <node>",
  "3. kubeadm reset on the old machine, or delete it",
];
const WITHOUT_DRAIN = ["Run this script on one node after the other; pods keep running meanwhile."];
const MINOR = "From one minor version to the next:";
const PATCH = "Within a minor version:";
const WITHOUT_REPLACEMENT = "If a machine cannot be replaced, drain its node, run this script on it, and uncordon it.";

/** Instructions for the operator, from a machine with kubectl, by the upgrade strategy of the pool. */
const steps: Readonly<Record<UpgradeStrategy, readonly string[]>> = {
  REPLACE: ["Nodes are replaced, not upgraded:", ...REPLACE, WITHOUT_REPLACEMENT],
  INPLACE: ["One node after the other:", ...DRAIN],
  INPLACE_WITHOUT_DRAIN: [
    ...WITHOUT_DRAIN,
    "Kubernetes recommends a drain if the minor version changes; the strategy of this pool skips it.",
  ],
  REPLACE_MINOR_INPLACE_PATCH: [MINOR, ...REPLACE, WITHOUT_REPLACEMENT, PATCH, ...DRAIN],
  REPLACE_MINOR_INPLACE_PATCH_WITHOUT_DRAIN: [MINOR, ...REPLACE, WITHOUT_REPLACEMENT, PATCH, ...WITHOUT_DRAIN],
};

/** Instructions for a node without a pool: the order of the documentation. */
const WITHOUT_POOL = steps.INPLACE;

const minorOf = ({ kubernetes }: NodeSoftware) => Number(kubernetes.split(".")[1]);

const checkNode = (software: NodeSoftware): string => `
[[ -e /etc/kubernetes/kubelet.conf && -x /usr/local/bin/kubelet ]] ||
  fail 'this machine has not joined a cluster: run the install script and the join command'
present=$(/usr/local/bin/kubelet --version)
[[ $present =~ ^Kubernetes\\ v1\\.([0-9]+)\\.[0-9]+ ]] || fail "this node runs '$present', an unknown version"
minor=\${BASH_REMATCH[1]}
((minor <= ${minorOf(software)})) || fail "this node runs $present: a downgrade to an older minor version is not supported"
((minor >= ${minorOf(software) - 1})) || fail "this node runs $present: upgrade it one minor version at a time"
say "upgrading from $present to Kubernetes v${software.kubernetes}"
`;

const upgrade = (input: JoinInput, software: NodeSoftware): string => `
# First kubeadm and the node's configuration from the control plane, which already has the new version.
${buildInstallCommand("kubeadm")}
/usr/local/bin/kubeadm upgrade node

# The container runtime; pods keep running while it restarts.
changed=no
${installContainerRuntime(software)}
if [[ $changed == yes ]]; then
  systemctl daemon-reload
  systemctl restart containerd.service
fi

${CONTAINER_TOOLS}

${HOST_SETTINGS}

${UPDATE_SETTINGS}

# The kubelet last.
${installKubelet(input)}
systemctl daemon-reload
systemctl restart kubelet.service
`;

/**
 * Builds the script that upgrades the node it runs on. It can be run again. Its first comment lists the other steps of the pool's
 * strategy, because a node cannot drain itself.
 *
 * @throws Error as `buildKubeletConfiguration`
 */
export function buildUpgradeScript(input: JoinInput, software: NodeSoftware): string {
  const { pool, version } = input;
  return [
    buildHeader([
      `Upgrades a node to the cluster's version ${version}${poolSuffix(pool)}.`,
      "Run it as root after the control plane was upgraded to that version. It can be run again.",
      "",
      ...(pool === undefined ? [] : [`The pool's upgrade strategy is ${pool.upgradeStrategy}.`]),
      ...(pool === undefined ? WITHOUT_POOL : steps[pool.upgradeStrategy]),
    ]),
    CHECK_SYSTEM,
    FUNCTIONS,
    CHECK_FUNCTIONS,
    buildDownloadVariables(software),
    checkNode(software),
    upgrade(input, software),
    `say ${quote(`this node runs Kubernetes v${software.kubernetes}`)}\n`,
  ]
    .map((part) => `${part.trim()}\n`)
    .join("\n");
}
