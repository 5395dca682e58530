/** Translates inputs of tests. */

import { stringify } from "yaml";
import type { TranslatedType, TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { canonicalJson, type Manifest } from "#core/provisioning/cluster-api/manifest.ts";
import { translations } from "#core/provisioning/cluster-api/providers/index.ts";
import { translate, translateSecrets } from "#core/provisioning/cluster-api/translate.ts";
import { credentialsOf } from "./provider-settings.ts";

/** Types of providers that are translated. */
export const translatedTypes = Object.keys(translations) as TranslatedType[];

/** Translates an input with its Secrets. @returns all objects in the order in which they are applied */
export function translateAll(input: TranslationInput, salt = "example"): Manifest[] {
  const [namespace, ...others] = translate(input);
  if (namespace?.kind !== "Namespace") throw new Error("the first object is not the namespace");
  return [namespace, ...translateSecrets(input, credentialsOf(input.type, salt)), ...others];
}

/** Returns the bytes of a translation. */
export const bytesOf = (input: TranslationInput): string => translateAll(input).map(canonicalJson).join("\n");

/** Writes objects as YAML documents for readers: kind and name first, and every value where it is used. */
export const toYaml = (manifests: readonly Manifest[]): string =>
  manifests
    .map(({ apiVersion, kind, metadata, ...rest }) => ({ apiVersion, kind, metadata, ...rest }))
    .map((manifest) => `---\n${stringify(manifest, { lineWidth: 0, aliasDuplicateObjects: false })}`)
    .join("");
