/** Checks whether a management cluster has the kinds, permissions and namespaces that the provisioner needs. Changes nothing. */

import { providerBySlug } from "../../catalogue/index.ts";
import type { ObjectKind } from "../../kubernetes/objects.ts";
import { resourceOf } from "../../kubernetes/resources.ts";
import { typeOf } from "./build-input.ts";
import { type Call, getObject, readIfAllowed } from "./calls.ts";
import type { TranslatedType } from "./input.ts";
import { NAMESPACE } from "./kinds.ts";
import { controllerNamespaces, type Profiles } from "./profiles.ts";
import { type Component, components, needsComponent, requiredAccess } from "./requirements.ts";

/** Versions of a kind in a management cluster. */
export interface KindReport {
  provider: Component["name"];
  kind: string;
  /** Version that the provisioner writes. */
  wanted: string;
  /** Preferred version first; empty if the kind is not installed. */
  served: readonly string[];
  /**
   * Newest version of Cluster API's contract that the kind declares; `not readable` if its definition cannot be read; undefined if it
   * declares or needs none.
   */
  contract: string | undefined;
  /** `not used` if no provider of the profiles needs it. */
  state: "ok" | "missing" | "not used";
}

/** Result of the check. */
export interface ManagementClusterReport {
  /** Version of Kubernetes. */
  version: string;
  kinds: KindReport[];
  /** Number of checked permissions: pairs of a kind and a verb. */
  permissions: number;
  /** One text for each problem, with the action that solves it. */
  problems: string[];
}

const CRD: ObjectKind = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };

/** In place of a contract, if the user of the kubeconfig may not read CustomResourceDefinitions. Only this check reads them. */
const NOT_READABLE = "not readable";

/** Versions of Cluster API's contract that its current releases support, newest first. */
const CONTRACTS = ["v1beta2", "v1beta1"];

/** Returns the types of the providers in the profile file. */
export function typesIn({ providers }: Profiles): Set<TranslatedType> {
  const known = Object.keys(providers).filter((slug) => providerBySlug(slug) !== undefined);
  return new Set(known.map((cloudProvider) => typeOf({ cloudProvider })));
}

/**
 * Checks a management cluster.
 *
 * @throws KubernetesError if it does not answer, or does not accept the credentials
 */
export async function checkManagementCluster(call: Call, profiles: Profiles): Promise<ManagementClusterReport> {
  const { client, signal } = call;
  const version = await client.version({ signal });
  const types = typesIn(profiles);
  const [kinds, access, namespaces] = await Promise.all([
    checkKinds(call, types),
    checkAccess(call, types),
    checkNamespaces(call, profiles),
  ]);
  return {
    version,
    kinds: kinds.rows,
    permissions: access.permissions,
    problems: [...kinds.problems, ...namespaces, ...access.problems],
  };
}

const groupOf = (kind: ObjectKind): string => resourceOf(kind).group;

async function checkKinds(call: Call, types: ReadonlySet<TranslatedType>) {
  const { client, signal } = call;
  const groups = [...new Set(components.flatMap(({ kinds }) => kinds.map(groupOf)))];
  const served = new Map(
    await Promise.all(groups.map(async (group) => [group, await client.discover(group, { signal })] as const)),
  );
  const checked = await Promise.all(
    components.map(async (component) => {
      const isNeeded = [...types].some((type) => needsComponent(type, component));
      const rows = await Promise.all(
        component.kinds.map((kind) =>
          checkKind(call, component, kind, served.get(groupOf(kind))?.get(kind.kind) ?? []),
        ),
      );
      return {
        rows: isNeeded ? rows : rows.map((row): KindReport => ({ ...row, state: "not used" })),
        problems: isNeeded ? kindProblems(component, rows) : [],
      };
    }),
  );
  return { rows: checked.flatMap(({ rows }) => rows), problems: checked.flatMap(({ problems }) => problems) };
}

async function checkKind(
  call: Call,
  { name, referenced }: Component,
  kind: ObjectKind,
  served: readonly string[],
): Promise<KindReport> {
  const { version } = resourceOf(kind);
  const isReferenced = referenced.includes(kind);
  const contract = isReferenced && served.length > 0 ? await contractOf(call, kind, served) : undefined;
  const isUsable = served.includes(version) && (!isReferenced || contract !== undefined);
  return { provider: name, kind: kind.kind, wanted: version, served, contract, state: isUsable ? "ok" : "missing" };
}

/** Reads the contract of a kind. A label of its definition has the contract as its name and versions of the kind as its value. */
async function contractOf(call: Call, kind: ObjectKind, served: readonly string[]): Promise<string | undefined> {
  const { plural, group } = resourceOf(kind);
  const definition = await readIfAllowed(getObject(call, { ...CRD, name: `${plural}.${group}` }));
  if (definition === "forbidden") return NOT_READABLE;
  return CONTRACTS.find((contract) => {
    const versions = definition?.metadata.labels?.[`cluster.x-k8s.io/${contract}`]?.split("_") ?? [];
    return versions.some((version) => served.includes(version));
  });
}

const listOf = (rows: readonly KindReport[]): string => rows.map(({ kind }) => kind).join(", ");

function kindProblems({ name, install }: Component, rows: readonly KindReport[]): string[] {
  const missing = rows.filter(({ state }) => state === "missing");
  const absent = missing.filter(({ served }) => served.length === 0);
  const others = missing.filter(({ served, wanted }) => served.length > 0 && !served.includes(wanted));
  const unlabelled = missing.filter(({ served, wanted }) => served.includes(wanted));
  return [
    ...(absent.length === 0 ? [] : [`${name}: not installed: ${listOf(absent)}. Install: ${install}.`]),
    ...others.map(
      ({ kind, wanted, served }) =>
        `${name}: ${kind} is served in ${served.join(", ")}, but this release writes ${wanted}. Install a release of the provider that serves ${wanted}: ${install}.`,
    ),
    ...(unlabelled.length === 0
      ? []
      : [
          `${name}: the CustomResourceDefinitions of ${listOf(unlabelled)} have no label ${CONTRACTS.map((contract) => `cluster.x-k8s.io/${contract}`).join(" or ")} with a served version, so Cluster API does not find the version of their objects. Install the provider from its release, which has the labels: ${install}.`,
        ]),
  ];
}

async function checkAccess({ client, signal }: Call, types: ReadonlySet<TranslatedType>) {
  const required = requiredAccess(types);
  const problems = await Promise.all(
    required.map(async ({ kind, verbs }) => {
      const allowed = await Promise.all(verbs.map((verb) => client.isAllowed({ ...kind, verb }, { signal })));
      const denied = verbs.filter((_, position) => allowed[position] !== true);
      return denied.length === 0 ? [] : [accessProblem(kind, denied)];
    }),
  );
  return { permissions: required.flatMap(({ verbs }) => verbs).length, problems: problems.flat() };
}

function accessProblem(kind: ObjectKind, verbs: readonly string[]): string {
  const { group, plural } = resourceOf(kind);
  const rule = JSON.stringify({ apiGroups: [group], resources: [plural], verbs });
  return `access: the user of the kubeconfig may not ${verbs.join(", ")} ${plural} in all namespaces. Add to a ClusterRole of the user: ${rule}.`;
}

/** Finds missing namespaces in which controllers read credentials. */
async function checkNamespaces(call: Call, profiles: Profiles): Promise<string[]> {
  const found = Object.keys(profiles.providers).flatMap((slug) =>
    controllerNamespaces(profiles, slug).map((name) => namespaceProblem(call, slug, name)),
  );
  return (await Promise.all(found)).flat();
}

async function namespaceProblem(call: Call, slug: string, name: string): Promise<string[]> {
  if ((await readIfAllowed(getObject(call, { ...NAMESPACE, name }))) !== undefined) return [];
  return [
    `${slug}: the namespace ${name} does not exist. The provider's controller must read credentials in it. Install the provider there, or correct controllerNamespace in the profile file.`,
  ];
}
