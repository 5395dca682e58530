/** Checks the content of a catalogue file: its format, the rules between its parts, and its ids. Pure functions. */

import { invalid, type Problem } from "../shared/errors.ts";
import { isObject } from "../shared/json.ts";
import { type Draft, formatValue, memberPath, validate } from "../shared/validation.ts";
import { imagesOf, zoneId } from "./build.ts";
import { minorComponents } from "./components.ts";
import { CatalogueData } from "./schema.ts";
import { ALL_REGIONS, parseVersion } from "./versions.ts";

type CatalogueDraft = Draft<CatalogueData>;

/** Entry with an id. Ids are stored by clients, and by clusters and cloud accounts. */
interface Identified {
  /** Kind of the entry and of its id: ids of one kind are unique. */
  readonly kind: "provider" | "region" | "zone" | "profile";
  /** Slugs from the provider to the entry, such as `aws/eu-west-1/eu-west-1a`. */
  readonly name: string;
  readonly id: number | string;
  /** Path of the id in the file. */
  readonly path: string;
}

/** Lists the entries with ids. @param data well-formed parts of a file */
function identifiedEntries(data: CatalogueDraft): Identified[] {
  const found: Identified[] = [];
  const add = (kind: Identified["kind"], name: string, id: number | string | undefined, path: string) => {
    if (id !== undefined) found.push({ kind, name, id, path });
  };
  data.providers?.forEach((provider, index) => {
    const path = `providers[${index}]`;
    if (provider?.slug === undefined) return;
    add("provider", provider.slug, provider.id, `${path}.id`);
    add("profile", provider.slug, provider.profile, `${path}.profile`);
    provider.regions?.forEach((region, at) => {
      const inRegion = `${path}.regions[${at}]`;
      if (region?.slug === undefined) return;
      const name = `${provider.slug}/${region.slug}`;
      add("region", name, region.id, `${inRegion}.id`);
      for (const [number, slug] of Object.entries(region.zones ?? {})) {
        const id = region.id === undefined || slug === undefined ? undefined : zoneId(region.id, number);
        add("zone", `${name}/${slug}`, id, memberPath(`${inRegion}.zones`, number));
      }
    });
  });
  return found;
}

/** Finds values that occur more than once. @param entries value and path of each; undefined values do not count */
function repetitions(entries: readonly (readonly [value: unknown, path: string])[]): Problem[] {
  const first = new Map<unknown, string>();
  return entries.flatMap(([value, path]) => {
    const earlier = first.get(value);
    if (value === undefined) return [];
    if (earlier !== undefined)
      return [{ path, message: `${formatValue(value)} is not allowed: it repeats ${earlier}` }];
    first.set(value, path);
    return [];
  });
}

function providerProblems(data: CatalogueDraft): Problem[] {
  const providers = data.providers ?? [];
  const entries = identifiedEntries(data);
  const problems = (["provider", "region", "zone", "profile"] as const).flatMap((kind) =>
    repetitions(entries.filter((each) => each.kind === kind).map(({ id, path }) => [id, path] as const)),
  );
  problems.push(...repetitions(providers.map((each, index) => [each?.slug, `providers[${index}].slug`])));
  providers.forEach((provider, index) => {
    const path = `providers[${index}]`;
    const regions = provider?.regions ?? [];
    problems.push(...repetitions(regions.map((each, at) => [each?.slug, `${path}.regions[${at}].slug`])));
    regions.forEach((region, at) => {
      const zones = Object.entries(region?.zones ?? {});
      const inRegion = `${path}.regions[${at}]`;
      problems.push(...repetitions(zones.map(([number, slug]) => [slug, memberPath(`${inRegion}.zones`, number)])));
      const known = zones.map(([, slug]) => slug);
      problems.push(...unknownNames(region?.unavailableZones, known, `${inRegion}.unavailableZones`, "a zone"));
    });
    const types = Object.keys(provider?.nodeTypes ?? {});
    problems.push(
      ...unknownNames(provider?.unavailableNodeTypes, types, `${path}.unavailableNodeTypes`, "a node type"),
    );
    if (provider?.type === "byon") {
      // The default of node pools whose nodes the customer supplies.
      if (!types.includes("byon")) problems.push({ path: `${path}.nodeTypes.byon`, message: "is required" });
      return;
    }
    for (const [type, size] of Object.entries(provider?.nodeTypes ?? {})) {
      if (size?.every((each) => each !== undefined && each > 0) === false) {
        problems.push({
          path: memberPath(`${path}.nodeTypes`, type),
          message: "is not allowed: only a provider of the type byon may have node types without cores or memory",
        });
      }
    }
  });
  return problems;
}

const unknownNames = (
  names: readonly (string | undefined)[] | undefined,
  known: readonly (string | undefined)[],
  path: string,
  what: string,
): Problem[] =>
  (names ?? []).flatMap((name, index) =>
    known.includes(name)
      ? []
      : [
          {
            path: `${path}[${index}]`,
            message: `${formatValue(name)} is not allowed: there is no such ${what.slice(2)}`,
          },
        ],
  );

/** Finds problems of versions: each needs all of the software with which a node of it is installed. */
function versionProblems({ versions = [], software = {}, checksums = {} }: CatalogueDraft): Problem[] {
  const problems = repetitions(versions.map((each, index) => [each?.version, `versions[${index}].version`]));
  versions.forEach((row, index) => {
    const path = `versions[${index}]`;
    const parsed = row?.version === undefined ? undefined : parseVersion(row.version);
    if (row?.kubernetes === undefined || parsed === undefined) return;
    const upstream = `v1.${parsed.minor}.${parsed.patch}`;
    if (row.kubernetes !== upstream) {
      problems.push({
        path: `${path}.kubernetes`,
        message: `${formatValue(row.kubernetes)} is not allowed: must be ${upstream}, as in ${row.version}`,
      });
      return;
    }
    const minor = `v1.${parsed.minor}`;
    if (software[minor] === undefined) {
      problems.push({
        path: `${path}.version`,
        message: `${row.version} needs software["${minor}"], which is missing`,
      });
    }
    for (const component of ["kubeadm", "kubelet"] as const) {
      if (checksums[component]?.[upstream.slice(1)] !== undefined) continue;
      const missing = `checksums.${component}["${upstream.slice(1)}"]`;
      problems.push({ path: `${path}.version`, message: `${row.version} needs ${missing}, which is missing` });
    }
  });
  for (const [minor, row] of Object.entries(software)) {
    for (const component of minorComponents) {
      const version = row?.[component];
      if (version === undefined || checksums[component]?.[version] !== undefined) continue;
      const missing = `checksums.${component}["${version}"]`;
      problems.push({
        path: `software["${minor}"].${component}`,
        message: `${formatValue(version)} needs ${missing}, which is missing`,
      });
    }
  }
  return problems;
}

/** Types of providers whose machines have no image of this catalogue. */
const WITHOUT_IMAGES: ReadonlySet<string | undefined> = new Set(["none", "byon"]);

/** Finds machine images of providers and regions that do not exist. */
function imageProblems({ versions = [], providers = [] }: CatalogueDraft): Problem[] {
  const slugs = providers.flatMap((each) => each?.slug ?? []);
  return versions.flatMap((row, index) =>
    Object.entries(row?.images ?? {}).flatMap(([slug, images]) => {
      const path = memberPath(`versions[${index}].images`, slug);
      const provider = providers.find((each) => each?.slug === slug);
      const refuse = (at: string, name: string, text: string) => [
        { path: at, message: `${formatValue(name)} is not allowed: ${text}` },
      ];
      if (provider === undefined) return refuse(path, slug, `must be one of the providers ${slugs.join(", ")}`);
      if (WITHOUT_IMAGES.has(provider.type)) {
        return refuse(path, slug, `a provider of the type ${provider.type} has no machine images`);
      }
      const regions = (provider.regions ?? []).flatMap((each) => each?.slug ?? []);
      return Object.keys(images ?? {}).flatMap((region) =>
        region === ALL_REGIONS || regions.includes(region)
          ? []
          : refuse(
              memberPath(path, region),
              region,
              `must be a region of ${slug}, which are ${regions.join(", ")}, or ${ALL_REGIONS} for all`,
            ),
      );
    }),
  );
}

function channelProblems({ channels = [], versions = [] }: CatalogueDraft): Problem[] {
  const problems = repetitions(channels.map((each, index) => [each?.name, `channels[${index}].name`]));
  channels.forEach((channel, index) => {
    if (channel?.version === undefined) return;
    const row = versions.find((each) => each?.version === channel.version);
    const isUsable = row !== undefined && (row.available !== false || channel.available === false);
    if (isUsable) return;
    const must = row === undefined ? "must be one of the versions" : "the version is not available, but the channel is";
    problems.push({
      path: `channels[${index}].version`,
      message: `${formatValue(channel.version)} is not allowed: ${must}`,
    });
  });
  return problems;
}

/**
 * Finds ids that differ from those of another catalogue, and ids that belong to other entries there.
 *
 * @param data well-formed parts of a file
 * @param earlier content of the other file
 */
export function changedIds(data: CatalogueDraft, earlier: CatalogueData): Problem[] {
  const before = identifiedEntries(earlier);
  const ids = new Map(before.map((each) => [`${each.kind} ${each.name}`, each.id]));
  const owners = new Map(before.map((each) => [`${each.kind} ${each.id}`, each.name]));
  return identifiedEntries(data).flatMap(({ kind, name, id, path }) => {
    const known = ids.get(`${kind} ${name}`);
    const owner = owners.get(`${kind} ${id}`);
    const refuse = (text: string) => [
      { path, message: `${formatValue(id)} is not allowed: ${text}; ids never change` },
    ];
    if (known !== undefined && known !== id) return refuse(`the ${kind} ${name} has the id ${known}`);
    if (owner !== undefined && owner !== name) return refuse(`it is the id of the ${kind} ${owner}`);
    return [];
  });
}

/**
 * Lists the entries of another catalogue that a catalogue lacks, as `region aws/eu-west-1`. Clusters and cloud accounts may refer to
 * them.
 *
 * @param earlier content of the other file
 */
export function missingEntries(data: CatalogueData, earlier: CatalogueData): string[] {
  const named = new Set(identifiedEntries(data).map(({ kind, name }) => `${kind} ${name}`));
  const entries = identifiedEntries(earlier)
    .filter(({ kind }) => kind !== "profile")
    .map(({ kind, name }) => `${kind} ${name}`);
  const types = ({ providers }: CatalogueData) =>
    providers.flatMap(({ slug, nodeTypes }) => Object.keys(nodeTypes).map((type) => `node type ${slug}/${type}`));
  // Without its image, a version gets no new machines. The image may be another one.
  const rows = new Map(data.versions.map((row) => [row.version, row]));
  const images = earlier.versions.flatMap((row) => {
    const present = imagesOf(rows.get(row.version) ?? row).map(([provider, region]) => `${provider}/${region}`);
    return imagesOf(row)
      .filter(([provider, region]) => ![region, ALL_REGIONS].some((each) => present.includes(`${provider}/${each}`)))
      .map(([provider, region]) => `image ${row.version} of ${provider}/${region}`);
  });
  const others = ({ versions, channels }: CatalogueData) => [
    ...versions.map(({ version }) => `version ${version}`),
    ...channels.map(({ name }) => `channel ${name}`),
  ];
  const present = new Set([...named, ...types(data), ...others(data)]);
  const before = [...entries, ...types(earlier), ...others(earlier)];
  return [...before.filter((each) => !present.has(each)), ...images];
}

/**
 * Checks the content of a catalogue file.
 *
 * @param content parsed file: any value
 * @param shipped catalogue of this release, whose ids the file must keep
 * @returns the content
 * @throws AppError invalid with every problem
 */
export function checkCatalogue(content: unknown, shipped: CatalogueData): CatalogueData {
  if (!isObject(content)) throw invalid([{ path: "", message: "The catalogue must be an object." }]);
  const checked = validate(CatalogueData, content);
  const draft: CatalogueDraft = checked.value ?? {};
  const problems = [
    ...checked.problems,
    ...checked.unknown.map((path) => ({ path, message: "unknown property" })),
    ...providerProblems(draft),
    ...versionProblems(draft),
    ...imageProblems(draft),
    ...channelProblems(draft),
    ...changedIds(draft, shipped),
  ];
  if (problems.length > 0) throw invalid(problems);
  return checked.complete();
}
