/** The real management cluster of the suite. */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createKubernetesClient } from "#core/kubernetes/client.ts";
import type { KubernetesClient } from "#core/kubernetes/interface.ts";
import type { Profiles } from "#core/provisioning/cluster-api/profiles.ts";

export const labKubeconfig = (): string => readFileSync(process.env.LAB_KUBECONFIG ?? "", "utf8");

/** Objects that stand for a network: the in-memory provider runs no pods. */
const NETWORK = `apiVersion: v1
kind: ConfigMap
metadata: {name: network, namespace: kube-system}
data: {pods: "{{podSubnet}}", services: "{{serviceSubnet}}", encryption: "{{encryption}}"}
`;

export const PROFILES: Profiles = {
  networkInterfaces: { cilium: { manifests: NETWORK }, calico: { manifests: NETWORK } },
  installsAddons: false,
  providers: { none: { settings: { egress: [] }, regions: {} } },
};

/** Kills the API server; it starts again 5 s later. */
export async function restartApiServer(): Promise<void> {
  process.kill(Number(process.env.LAB_PID), "SIGUSR1");
  await sleep(1_000);
}

/** Opens the API server of a cluster. */
export async function workloadOf(client: KubernetesClient, namespace: string, name: string): Promise<KubernetesClient> {
  const ref = { apiVersion: "v1", kind: "Secret", name: `${name}-kubeconfig`, namespace };
  const secret = (await client.get(ref, { signal: AbortSignal.timeout(30_000) })) as
    | { data?: { value?: string } }
    | undefined;
  const text = Buffer.from(secret?.data?.value ?? "", "base64").toString();
  return createKubernetesClient(text, { clock: () => new Date() });
}
