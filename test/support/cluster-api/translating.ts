/** Translates inputs of tests. */

import { stringify } from "yaml";
import type { TranslatedType, TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { canonicalJson, type Manifest } from "#core/provisioning/cluster-api/manifest.ts";
import { translations } from "#core/provisioning/cluster-api/providers/index.ts";
import { refusedSettings } from "#core/provisioning/cluster-api/traits.ts";
import { translate, translateSecrets } from "#core/provisioning/cluster-api/translate.ts";
import type { Problem } from "#core/shared/errors.ts";
import { catalogueProvider } from "./input-parts.ts";
import { credentialsOf } from "./provider-settings.ts";

/** Types of providers that are translated. */
export const translatedTypes = [...Object.keys(translations), "byon"] as TranslatedType[];

/** Translates an input with its Secrets. @returns all objects in the order in which they are applied */
export function translateAll(input: TranslationInput, salt = "example"): Manifest[] {
  const [namespace, ...others] = translate(input);
  if (namespace?.kind !== "Namespace") throw new Error("the first object is not the namespace");
  return [namespace, ...translateSecrets(input, credentialsOf(input.type, salt)), ...others];
}

/** Settings whose refusal depends on more than the configuration: on machine images and on the account of the platform. */
const OF_THE_PLATFORM = ["version", "cloudAccountIdentity"];

/** Finds the settings of an input that are refused at the creation of its cluster. */
export function refusedIn({ cluster, nodePools, settings, profile, type }: TranslationInput): Problem[] {
  const profiles = { ...profile, providers: { [cluster.cloudProvider]: { settings, regions: {} } } };
  const requested = {
    provider: catalogueProvider(type),
    primaryCredentials: undefined,
    cluster,
    storedCluster: undefined,
    nodePools: nodePools.map(({ pool }, index) => ({ path: `nodePools[${index}]`, pool, storedPool: undefined })),
  };
  return refusedSettings(profiles, requested).filter(({ path }) => !OF_THE_PLATFORM.includes(path));
}

/** Returns the bytes of a translation. */
export const bytesOf = (input: TranslationInput): string => translateAll(input).map(canonicalJson).join("\n");

/** Writes objects as YAML documents for readers: kind and name first, and every value where it is used. */
export const toYaml = (manifests: readonly Manifest[]): string =>
  manifests
    .map(({ apiVersion, kind, metadata, ...rest }) => ({ apiVersion, kind, metadata, ...rest }))
    .map((manifest) => `---\n${stringify(manifest, { lineWidth: 0, aliasDuplicateObjects: false })}`)
    .join("");
