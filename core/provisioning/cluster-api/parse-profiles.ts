/** Parses and validates a profile file. Functions on AWS do not import this module, because builds write the result into them. */

import * as v from "valibot";
import { parseDocument } from "yaml";
import { type CloudProvider, cloudProviders } from "../../catalogue/index.ts";
import { AppError, errorText, invalid, type Problem } from "../../shared/errors.ts";
import { isObject } from "../../shared/json.ts";
import { formatValue, memberPath, validate } from "../../shared/validation.ts";
import type { TranslatedType } from "./input.ts";
import { manifestProblems } from "./network-rules.ts";
import { NetworkInterface, type Profile, settingsByType } from "./profile.ts";
import { rulesByType } from "./profile-rules.ts";
import type { Profiles, ProviderProfile, Settings } from "./profiles.ts";
import { regionProblems } from "./region-rules.ts";

const anyObject = v.custom<Record<string, unknown>>(isObject, "must be an object");

const InterfaceInFile = v.object({
  ...v.partial(NetworkInterface).entries,
  /** Path of a file with the objects, relative to the profile file. */
  file: v.optional(v.string()),
});

const ProfileFile = v.object({
  networkInterfaces: v.optional(v.object({ cilium: v.optional(InterfaceInFile), calico: v.optional(InterfaceInFile) })),
  installsAddons: v.optional(v.boolean(), false),
  /** Settings by the slug of the provider, validated with `settingsByType`, and `regions` with settings that differ. */
  providers: v.pipe(v.record(v.string(), anyObject), v.minEntries(1, "must have at least one provider")),
});

const below = (path: string, problems: readonly Problem[]): Problem[] =>
  problems.map((each) => ({ ...each, path: `${path}.${each.path}` }));

const unknownProperties = (paths: readonly string[]): Problem[] =>
  paths.map((path) => ({ path, message: "unknown property" }));

/** Validates settings: their format and their rules. @returns problems, or the settings if there are none */
function checkSettings(
  type: TranslatedType,
  provider: CloudProvider,
  given: Record<string, unknown>,
): { problems: Problem[]; settings?: Settings } {
  const checked = validate(settingsByType[type] as v.GenericSchema<unknown, Settings>, given);
  // Each type has the rules of its own settings.
  const rules = rulesByType[type] as readonly ((settings: object, provider: CloudProvider) => Problem[])[];
  const problems = [
    ...checked.problems,
    ...unknownProperties(checked.unknown),
    ...rules.flatMap((rule) => rule(checked.value ?? {}, provider)),
  ];
  return problems.length === 0 ? { problems, settings: checked.complete() } : { problems };
}

/** Returns the name of the setting that a problem belongs to. */
const settingIn = ({ path }: Problem): string => path.split(/[.[]/, 1)[0] ?? "";

const isMissing = ({ path, message }: Problem): boolean => message === "is required" && !/[.[]/.test(path);

/** Validates the settings of a provider and of each of its regions. */
function checkProvider(
  slug: string,
  { regions: listed, ...given }: Record<string, unknown>,
  providers: readonly CloudProvider[],
): { problems: Problem[]; profile: ProviderProfile } {
  const path = memberPath("providers", slug);
  const problems: Problem[] = [];
  const regions: Record<string, Settings> = {};
  const refuse = (at: string, value: unknown, text: string) =>
    problems.push({ path: at, message: `${formatValue(value)} is not allowed: ${text}` });

  const provider = providers.find((each) => each.slug === slug);
  if (provider === undefined || !Object.hasOwn(settingsByType, provider.type)) {
    const usable = providers.filter(({ type }) => Object.hasOwn(settingsByType, type)).map((each) => each.slug);
    const why = provider === undefined ? "" : `Cluster API has no provider of the type ${provider.type}; `;
    refuse(path, slug, `${why}must be one of the catalogue's providers ${usable.join(", ")}`);
    return { problems, profile: { regions } };
  }
  const type = provider.type as TranslatedType;
  const base = checkSettings(type, provider, given);
  const inRegions = Object.entries(isObject(listed) ? listed : {});
  // A setting that is missing here may be in the regions. Then only these regions can be used.
  const ofBase = inRegions.length === 0 ? base.problems : base.problems.filter((each) => !isMissing(each));
  problems.push(...below(path, ofBase));
  if (listed !== undefined && !isObject(listed)) refuse(`${path}.regions`, listed, "must be an object");
  const known = provider.regions.map((each) => each.slug);
  for (const [region, overrides] of inRegions) {
    const at = memberPath(`${path}.regions`, region);
    if (!known.includes(region)) refuse(at, region, `must be a region of ${slug}, which are ${known.join(", ")}`);
    if (!isObject(overrides)) {
      refuse(at, overrides, "must be an object with the settings that differ; {} for none");
      continue;
    }
    const { problems: found, settings } = checkSettings(type, provider, { ...given, ...overrides });
    const isReported = (problem: Problem) =>
      !Object.hasOwn(overrides, settingIn(problem)) &&
      base.problems.some((each) => each.path === problem.path && each.message === problem.message);
    for (const problem of found) {
      if (isMissing(problem)) {
        problems.push({ path: `${at}.${problem.path}`, message: `is required, here or in ${path}` });
      } else if (!isReported(problem)) problems.push(...below(at, [problem]));
    }
    if (settings !== undefined) regions[region] = settings;
  }
  const profile: ProviderProfile = { ...(base.settings === undefined ? {} : { settings: base.settings }), regions };
  problems.push(...regionProblems(path, type, provider, profile));
  return { problems, profile };
}

/** Reads and validates the manifests of a network. @returns problems, and "" as manifests if they cannot be read */
function readInterface(
  path: string,
  { manifests, file }: Partial<v.InferOutput<typeof InterfaceInFile>>,
  readFile: (path: string) => string,
): { problems: Problem[]; manifests: string } {
  if ((manifests === undefined) === (file === undefined)) {
    return { problems: [{ path, message: "must have either manifests or file" }], manifests: "" };
  }
  if (manifests !== undefined) return { problems: manifestProblems(`${path}.manifests`, manifests), manifests };
  try {
    const read = readFile(file as string);
    return { problems: manifestProblems(`${path}.file`, read), manifests: read };
  } catch (error) {
    const message = `${formatValue(file)} cannot be read: ${errorText(error)}`;
    return { problems: [{ path: `${path}.file`, message }], manifests: "" };
  }
}

/** Parses YAML. @throws AppError invalid with every syntax error and its line, repeated keys included */
function parseYaml(text: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  const [first, ...rest] = document.errors.map(({ message }) => message.trim());
  if (first !== undefined) throw new AppError("invalid", "profiles.syntax", [first, ...rest]);
  return document.toJS();
}

/**
 * Parses and validates a profile file.
 *
 * @param text YAML 1.2 or JSON
 * @param readFile returns the content of a file that the profile file names, by its path as written there; throws if it cannot
 * @param providers providers of the catalogue that the file is for
 * @throws AppError invalid with every problem: its path in the file, the value, and what is allowed
 */
export function parseProfiles(
  text: string,
  readFile: (path: string) => string,
  providers: readonly CloudProvider[] = cloudProviders,
): Profiles {
  const content = parseYaml(text);
  if (!isObject(content)) throw invalid([{ path: "", message: "The profile file must be an object." }]);
  const { value = {}, problems: found, unknown } = validate(ProfileFile, content);
  const problems = [...found, ...unknownProperties(unknown)];

  const networkInterfaces: Profile["networkInterfaces"] = {};
  for (const name of ["cilium", "calico"] as const) {
    const given = value.networkInterfaces?.[name];
    if (given === undefined) continue;
    const read = readInterface(`networkInterfaces.${name}`, given, readFile);
    problems.push(...read.problems);
    networkInterfaces[name] = { manifests: read.manifests };
  }
  const checked = Object.entries(value.providers ?? {}).flatMap(([slug, given]) =>
    given === undefined ? [] : [[slug, checkProvider(slug, given, providers)] as const],
  );
  problems.push(...checked.flatMap(([, each]) => each.problems));
  if (problems.length > 0) throw invalid(problems);
  return {
    networkInterfaces,
    installsAddons: value.installsAddons ?? false,
    providers: Object.fromEntries(checked.map(([slug, { profile }]) => [slug, profile])),
  };
}
