/** The operator's commands that check and accept the management cluster of the Cluster API provisioner. */

import { checkProvisioner, type ProvisionerReport } from "#core/admin/provisioner-check.ts";
import type { Services } from "#core/context.ts";
import { createKubernetesClient } from "#core/kubernetes/client.ts";
import { KubernetesError } from "#core/kubernetes/errors.ts";
import type { Call } from "#core/provisioning/cluster-api/calls.ts";
import { readManagementClusters } from "#core/provisioning/cluster-api/management-cluster.ts";
import { recordManagementCluster } from "#core/provisioning/cluster-api/management-cluster-record.ts";
import { readKubeconfig } from "../local/kubeconfig.ts";
import { commandEnvironment } from "../runtime/config.ts";
import { profilesPath, readProfilesFile } from "../runtime/profiles-file.ts";
import { type Command, type CommandContext, UsageError } from "./command.ts";

/** Time limit of the whole check, in milliseconds. */
const CHECK_MS = 120_000;

/** Maximum number of listed clusters with the same problem. */
const LISTED = 20;

/** Pads cells, so that columns are aligned. */
function tableOf(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

const kindTable = ({ kinds }: ProvisionerReport): string[] =>
  tableOf([
    ["provider", "kind", "wanted", "served", "contract", "state"],
    ...kinds.map(({ provider, kind, wanted, served, contract = "-", state }) => [
      provider,
      kind,
      wanted,
      served.length === 0 ? "-" : served.join(", "),
      contract,
      state,
    ]),
  ]);

function clusterProblems({ orphans, missing }: NonNullable<ProvisionerReport["clusters"]>): string[] {
  const limited = <T>(items: readonly T[], textOf: (item: T) => string): string[] => [
    ...items.slice(0, LISTED).map(textOf),
    ...(items.length > LISTED ? [`clusters: ${items.length - LISTED} more like these`] : []),
  ];
  return [
    ...limited(
      orphans,
      ({ name, namespace, identity = "no label with an identity" }) =>
        `clusters: ${namespace}/${name} (${identity}) is in the management cluster, but not in the table. If it does not belong to another installation, delete it: kubectl delete clusters.cluster.x-k8s.io --namespace ${namespace} ${name}.`,
    ),
    ...limited(
      missing,
      ({ identity, organisation, environment, slug }) =>
        `clusters: ${slug} (${identity}) in environment ${environment} of organisation ${organisation} is in the table, but not in the management cluster. To build it now: npm run admin -- cluster retry --id ${identity}.`,
    ),
  ];
}

/** Renders a report. @param isUsed false if another provisioner builds the clusters of the table */
function render(report: ProvisionerReport, isUsed: boolean): { print: string; failed: boolean } {
  const { version, permissions, clusters, mismatch } = report;
  const isExpected = isUsed && mismatch === undefined;
  const problems = [
    ...(isUsed && mismatch !== undefined ? [`management cluster: ${mismatch}.`] : []),
    ...report.problems,
    ...(clusters === undefined ? [] : clusterProblems(isExpected ? clusters : { ...clusters, missing: [] })),
  ];
  const compared =
    clusters === undefined
      ? "Clusters were not compared."
      : `${clusters.present} clusters in the management cluster, ${clusters.stored} in the table.`;
  const lines = [
    `The management cluster answers: Kubernetes ${version}.`,
    "",
    ...kindTable(report),
    "",
    `${permissions} permissions checked. ${compared}`,
    ...(isUsed
      ? []
      : ["PROVISIONER is not cluster-api here, so the management cluster need not have the clusters of the table."]),
    "",
    ...(problems.length === 0
      ? ["No problems."]
      : [`Problems (${problems.length}):`, ...problems.map((each) => `- ${each}`)]),
  ];
  return { print: lines.join("\n"), failed: problems.length > 0 };
}

const KUBECONFIG_UNSET =
  "CLUSTER_API_KUBECONFIG is not set. Set it to the path of the kubeconfig of the management cluster.";

/**
 * Calls the management cluster of the kubeconfig.
 *
 * @param done what the command does with it, for the message if it does not answer or refuses a call, such as `checked`
 * @throws UsageError if no kubeconfig is set; AppError if it cannot be read
 */
async function withManagementCluster(
  { clock }: Pick<Services, "clock">,
  { config, environment }: Pick<CommandContext, "config" | "environment">,
  done: string,
  run: (call: Call) => Promise<{ print: string; failed?: boolean }>,
): Promise<{ print: string; failed?: boolean }> {
  const { CLUSTER_API_KUBECONFIG: path } = config;
  if (path === undefined) throw new UsageError(KUBECONFIG_UNSET);
  const kubeconfig = await readKubeconfig(config);
  const client = createKubernetesClient(kubeconfig, { clock, environment: commandEnvironment(environment) });
  try {
    return await run({ client, signal: AbortSignal.timeout(CHECK_MS) });
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
    const advice = error.isOutage
      ? ` Check that the API server in ${path} runs, and that this machine reaches it.`
      : "";
    return { print: `The management cluster was not ${done}: ${error.message}.${advice}`, failed: true };
  } finally {
    client.close();
  }
}

/** Commands by name. */
export const provisionerCommands: Readonly<Record<string, Command>> = {
  "provisioner check": {
    usage: "(CLUSTER_API_PROFILES, CLUSTER_API_KUBECONFIG)",
    options: {},
    async run(services, _, context) {
      const { config } = context;
      const { CLUSTER_API_PROFILES: profiles, CLUSTER_API_KUBECONFIG: kubeconfig } = config;
      const path = profilesPath(profiles);
      const unset = [
        ...(path === undefined ? ["CLUSTER_API_PROFILES is not set. Set it to the path of the profile file."] : []),
        ...(kubeconfig === undefined ? [KUBECONFIG_UNSET] : []),
      ];
      if (path === undefined || unset.length > 0) throw new UsageError(unset.join("\n"));
      const checked = readProfilesFile(path);
      return await withManagementCluster(services, context, "checked", async (call) =>
        render(await checkProvisioner(services, call, checked), config.PROVISIONER === "cluster-api"),
      );
    },
  },
  "provisioner accept": {
    usage: "(CLUSTER_API_KUBECONFIG)",
    options: {},
    async run(services, _, context) {
      return await withManagementCluster(services, context, "accepted", async (call) => {
        const found = await readManagementClusters(services, call);
        const { present, recorded } = found;
        if (recorded === present) return { print: `The table is already used with the management cluster ${present}.` };
        if (!(await recordManagementCluster(services, found))) {
          return { print: "Another command changed the management cluster at the same time. Try again.", failed: true };
        }
        const former = recorded === undefined ? "" : ` It was used with ${recorded} before.`;
        return { print: `The table is now used with the management cluster ${present}.${former}` };
      });
    },
  },
};
