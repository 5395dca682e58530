/** Rules for the settings of a provider beyond their format. Its API or Cluster API would refuse other values later. Pure functions. */

import { type CloudProvider, nodeTypeOf } from "../../catalogue/index.ts";
import type { Problem } from "../../shared/errors.ts";
import { type CidrBlock, contains, enclosingSpecialRange, overlap, parseAddress, parseCidr } from "../../shared/ip.ts";
import { type Draft, formatValue } from "../../shared/validation.ts";
import type { TranslatedType } from "./input.ts";
import type { SettingsOf } from "./profile.ts";

/** Settings to validate. Each may be missing; those that are present have the right format. */
type DraftOf<Type extends TranslatedType> = Draft<SettingsOf<Type>>;

type Rule<Settings> = (settings: Settings, provider: CloudProvider) => Problem[];

/** Minimum size of a control plane machine that kubeadm accepts: cores and MiB. */
const MIN_CORES = 2;
const MIN_MEMORY_MIB = 1700;

/** Prefix lengths of the largest and the smallest block of addresses for API servers; the largest has 65,536 addresses. */
const API_BLOCK = [16, 32] as const;

/** Maximum prefix length of a subnet of Azure. */
const MAX_AZURE_PREFIX_LENGTH = 29;

/** Prefix lengths of a VPC: its provider splits it into four blocks, and one of them into four subnets of at least 16 addresses. */
const VPC = [16, 24] as const;

/** Maximum size of a system disk of Azure, in GiB. */
const MAX_AZURE_DISK_GIB = 2048;

/** Network zones of Hetzner by location. A cluster is in one network zone only. */
export const NETWORK_ZONES: Readonly<Record<string, string>> = {
  fsn1: "eu-central",
  nbg1: "eu-central",
  hel1: "eu-central",
  ash: "us-east",
  hil: "us-west",
  sin: "ap-southeast",
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MINOR = /^1\.[1-9]\d{0,2}$/;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const OBJECT_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$/;
/** Key types that Azure accepts, in the form of an authorized_keys file. */
const PUBLIC_KEY = /^(ssh-rsa|ssh-ed25519) [A-Za-z0-9+/]{40,}={0,2}( [^\r\n]*)?\n?$/;
/** SHA-1 or SHA-256 of a certificate. */
const FINGERPRINT = /^[0-9a-f]{2}((:[0-9a-f]{2}){19}|(:[0-9a-f]{2}){31})$/i;

const refuse = (path: string, value: unknown, must: string): Problem[] => [
  { path, message: `${formatValue(value)} is not allowed: ${must}` },
];

/** Builds a rule for one setting. @param must returns the broken requirement, such as "must be a UUID"; undefined for a valid value */
const settingRule =
  <Name extends string, Value>(name: Name, must: (value: Value, provider: CloudProvider) => string | undefined) =>
  (settings: { [K in Name]?: Value | undefined }, provider: CloudProvider): Problem[] => {
    const value = settings[name];
    const text = value === undefined ? undefined : must(value, provider);
    return text === undefined ? [] : refuse(name, value, text);
  };

const matches = (pattern: RegExp, must: string) => (value: string) => (pattern.test(value) ? undefined : must);

/** Builds a rule for every element of a list. @param must as for `settingRule` */
const elementRule =
  <Name extends string>(name: Name, must: (value: string, provider: CloudProvider) => string | undefined) =>
  (settings: { [K in Name]?: (string | undefined)[] | undefined }, provider: CloudProvider): Problem[] =>
    (settings[name] ?? []).flatMap((value, index) => {
      const text = value === undefined ? undefined : must(value, provider);
      return text === undefined ? [] : refuse(`${name}[${index}]`, value, text);
    });

/** Returns a block of a draft; undefined if it is missing. Its format was checked before. */
function blockOf(text: string | undefined): CidrBlock | undefined {
  const block = text === undefined ? undefined : parseCidr(text);
  return typeof block === "string" ? undefined : block;
}

const ipv4 = (text: string) => (blockOf(text)?.address.version === 4 ? undefined : "must be an IPv4 block");

const egress = elementRule("egress", (text) =>
  blockOf(text)?.bits === 0
    ? "must not contain all addresses, because the egress is added to every IP whitelist"
    : undefined,
);

const controlPlaneNodeSize = settingRule("controlPlaneNodeSize", (size: string, provider) => {
  const type = nodeTypeOf(provider, size);
  if (type === undefined) return `must be a node type of ${provider.slug} in the catalogue`;
  if (type.cpu >= MIN_CORES && type.memory >= MIN_MEMORY_MIB) return undefined;
  return `has ${type.cpu} cores and ${type.memory} MiB, but a control plane needs at least ${MIN_CORES} and ${MIN_MEMORY_MIB} MiB`;
});

const controllerNamespace = settingRule(
  "controllerNamespace",
  matches(LABEL, "must be a namespace: 1 to 63 characters: a-z, 0-9 and -"),
);

/** Finds subnets of Azure that are too small, outside of the network, or overlap. */
const azureSubnets: Rule<DraftOf<"azure">> = (settings) => {
  const network = blockOf(settings.networkCidr);
  const names = ["controlPlaneCidr", "nodeCidr"] as const;
  const problems = names.flatMap((name) => {
    const [value, block] = [settings[name], blockOf(settings[name])];
    if (block === undefined || block.address.version !== 4) return [];
    if (block.bits > MAX_AZURE_PREFIX_LENGTH)
      return refuse(name, value, `must have a prefix length of at most ${MAX_AZURE_PREFIX_LENGTH}`);
    if (network === undefined || (network.bits <= block.bits && contains(network, block.address))) return [];
    return refuse(name, value, `must be inside networkCidr, ${settings.networkCidr}`);
  });
  const [controlPlane, nodes] = [blockOf(settings.controlPlaneCidr), blockOf(settings.nodeCidr)];
  if (controlPlane !== undefined && nodes !== undefined && overlap(controlPlane, nodes)) {
    const must = `must not overlap controlPlaneCidr, ${settings.controlPlaneCidr}`;
    problems.push(...refuse("nodeCidr", settings.nodeCidr, must));
  }
  return problems;
};

const vpc = settingRule("networkCidr", (text: string) => {
  const block = blockOf(text);
  const [shortest, longest] = VPC;
  if (block?.address.version !== 4) return "must be an IPv4 block";
  return block.bits < shortest || block.bits > longest
    ? `must have a prefix length of ${shortest} to ${longest}`
    : undefined;
});

const azureDisk = settingRule("diskGiB", (size: number) =>
  size > MAX_AZURE_DISK_GIB ? `must be at most ${MAX_AZURE_DISK_GIB} on azure` : undefined,
);

/** Finds names of zones that the catalogue does not have. */
const knownZones: Rule<DraftOf<"openstack" | "vsphere">> = ({ zoneNames = {} }, { regions, slug }) => {
  const known = new Set(regions.flatMap(({ availabilityZones }) => availabilityZones.map((zone) => zone.slug)));
  return Object.keys(zoneNames).flatMap((name) =>
    known.has(name)
      ? []
      : refuse(`zoneNames.${name}`, name, `must be a zone of ${slug}, which are ${[...known].join(", ")}`),
  );
};

/** Finds names that no object of Kubernetes can have. */
const deploymentZones: Rule<DraftOf<"vsphere">> = ({ zoneNames = {} }) =>
  Object.entries(zoneNames).flatMap(([slug, name]) =>
    name === undefined || OBJECT_NAME.test(name)
      ? []
      : refuse(
          `zoneNames.${slug}`,
          name,
          "must be the name of a VSphereDeploymentZone: at most 253 characters, a-z, 0-9, - and .",
        ),
  );

/** Finds locations that do not exist, and locations of several network zones. */
const hetznerLocations: Rule<DraftOf<"hetzner">> = ({ locations = [] }, { regions, slug }) => {
  const known = regions.map((region) => region.slug);
  const problems = locations.flatMap((location, index) =>
    location === undefined || known.includes(location)
      ? []
      : refuse(`locations[${index}]`, location, `must be a region of ${slug}, which are ${known.join(", ")}`),
  );
  const zones = new Set(locations.map((location = "") => NETWORK_ZONES[location]).filter((zone) => zone !== undefined));
  if (zones.size < 2) return problems;
  const must = `must be locations of one network zone, and these are of ${[...zones].join(" and ")}`;
  return [...problems, ...refuse("locations", locations.join(", "), must)];
};

const apiAddresses = settingRule("apiAddresses", (text: string) => {
  const block = blockOf(text);
  const [shortest, longest] = API_BLOCK;
  if (block?.address.version !== 4) return "must be an IPv4 block";
  if (block.bits < shortest) return `must have a prefix length of ${shortest} to ${longest}`;
  const range = enclosingSpecialRange(block);
  // Management clusters for tests are on loopback.
  if (range === undefined || range.use === "loopback") return undefined;
  return `must not be in ${range.text}, which is ${range.use}`;
});

/** Rules by the type of the provider. */
export const rulesByType: { readonly [Type in TranslatedType]: readonly Rule<DraftOf<Type>>[] } = {
  none: [egress],
  byon: [
    egress,
    settingRule("dataStoreName", matches(LABEL, "must be 1 to 63 characters: a-z, 0-9 and -")),
    settingRule("newestVersion", matches(MINOR, 'must be a minor version of Kubernetes, such as "1.34"')),
  ],
  aws: [egress, controlPlaneNodeSize, vpc, controllerNamespace],
  azure: [
    egress,
    controlPlaneNodeSize,
    azureDisk,
    settingRule(
      "sshPublicKey",
      matches(PUBLIC_KEY, "must be one line of an authorized_keys file, ssh-rsa or ssh-ed25519"),
    ),
    settingRule("networkCidr", ipv4),
    settingRule("controlPlaneCidr", ipv4),
    settingRule("nodeCidr", ipv4),
    azureSubnets,
  ],
  openstack: [
    egress,
    controlPlaneNodeSize,
    settingRule("authUrl", matches(/^https?:\/\/[^\s?#]+$/i, "must be an http or https URL without a query")),
    settingRule("externalNetworkId", matches(UUID, "must be the UUID of a network")),
    elementRule("dnsServers", (text) => (parseAddress(text) === undefined ? "must be an IP address" : undefined)),
    knownZones,
  ],
  digitalocean: [
    egress,
    controlPlaneNodeSize,
    settingRule("vpcUuid", matches(UUID, "must be the UUID of a VPC")),
    settingRule("domain", matches(DOMAIN, "must be a domain name in lower case")),
    settingRule("account", matches(UUID, "must be the identity of a cloud account, a UUID")),
  ],
  hetzner: [egress, controlPlaneNodeSize, settingRule("networkCidr", ipv4), hetznerLocations],
  vsphere: [
    egress,
    controlPlaneNodeSize,
    controllerNamespace,
    settingRule(
      "thumbprint",
      matches(FINGERPRINT, "must be a SHA-1 or SHA-256 fingerprint, such as 12:AB:… with 20 or 32 bytes"),
    ),
    apiAddresses,
    knownZones,
    deploymentZones,
  ],
};
