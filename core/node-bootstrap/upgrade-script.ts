/** The script that brings a node to another version, in the order of Kubernetes' documentation. */

import type { upgradeStrategies } from "../node-pool/schema.ts";
import type { JoinInput } from "./input.ts";
import { CHECK_FUNCTIONS, CHECK_SYSTEM, downloads, FUNCTIONS, head, installCommand, ofPool } from "./script.ts";
import { quote } from "./shell.ts";
import type { NodeSoftware } from "./software.ts";
import { CONTAINER_TOOLS, containerRuntime, HOST_SETTINGS, kubelet, UPDATE_SETTINGS } from "./steps.ts";

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
const STAY = ["Run this script on one node after the other; pods keep running while it does."];
const MINOR = "From one minor version to the next:";
const PATCH = "Within a minor version:";
const ANYWAY = "Where a machine has to stay, drain its node, run this script on it, and uncordon it.";

/** What an operator does, from a machine with kubectl, by the strategy of the pool. */
const steps: Readonly<Record<UpgradeStrategy, readonly string[]>> = {
  REPLACE: ["Nodes are replaced, not upgraded:", ...REPLACE, ANYWAY],
  INPLACE: ["One node after the other:", ...DRAIN],
  INPLACE_WITHOUT_DRAIN: [
    ...STAY,
    "Kubernetes asks for a drain where the minor version changes; this pool does without.",
  ],
  REPLACE_MINOR_INPLACE_PATCH: [MINOR, ...REPLACE, ANYWAY, PATCH, ...DRAIN],
  REPLACE_MINOR_INPLACE_PATCH_WITHOUT_DRAIN: [MINOR, ...REPLACE, ANYWAY, PATCH, ...STAY],
};

/** The order of the documentation, where no pool says otherwise. */
const WITHOUT_POOL = steps.INPLACE;

const minorOf = ({ kubernetes }: NodeSoftware) => Number(kubernetes.split(".")[1]);

const checkNode = (software: NodeSoftware): string => `
[[ -e /etc/kubernetes/kubelet.conf && -x /usr/local/bin/kubelet ]] ||
  fail 'this machine has not joined a cluster: run the install script and the join command'
present=$(/usr/local/bin/kubelet --version)
[[ $present =~ ^Kubernetes\\ v1\\.([0-9]+)\\.[0-9]+ ]] || fail "this node runs '$present', which is no version that is known here"
minor=\${BASH_REMATCH[1]}
((minor <= ${minorOf(software)})) || fail "this node runs $present: nodes are not brought back to an older minor version"
((minor >= ${minorOf(software) - 1})) || fail "this node runs $present: upgrade it one minor version at a time"
say "upgrading from $present to Kubernetes v${software.kubernetes}"
`;

const upgrade = (input: JoinInput, software: NodeSoftware): string => `
# First kubeadm, and with it the node's configuration from the control plane, which has the new version already.
${installCommand("kubeadm")}
/usr/local/bin/kubeadm upgrade node

# The container runtime; pods keep running while it restarts.
changed=no
${containerRuntime(software)}
if [[ $changed == yes ]]; then
  systemctl daemon-reload
  systemctl restart containerd.service
fi

${CONTAINER_TOOLS}

${HOST_SETTINGS}

${UPDATE_SETTINGS}

# Last the kubelet.
${kubelet(input)}
systemctl daemon-reload
systemctl restart kubelet.service
`;

/**
 * Makes the script that upgrades the node it runs on. It can be run again. What else the pool's strategy asks of an operator
 * stands in its head: a node cannot drain itself.
 *
 * @throws Error as `kubeletConfiguration`
 */
export function upgradeScript(input: JoinInput, software: NodeSoftware): string {
  const { pool, version } = input;
  return [
    head([
      `Upgrades a node to the cluster's version ${version}${ofPool(pool)}.`,
      "Run it as root, once the control plane has that version. It can be run again.",
      "",
      ...(pool === undefined ? [] : [`The pool's upgrade strategy is ${pool.upgradeStrategy}.`]),
      ...(pool === undefined ? WITHOUT_POOL : steps[pool.upgradeStrategy]),
    ]),
    CHECK_SYSTEM,
    FUNCTIONS,
    CHECK_FUNCTIONS,
    downloads(software),
    checkNode(software),
    upgrade(input, software),
    `say ${quote(`this node runs Kubernetes v${software.kubernetes}`)}\n`,
  ]
    .map((part) => `${part.trim()}\n`)
    .join("\n");
}
