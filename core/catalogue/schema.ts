/** Format of a catalogue file. `check.ts` has the rules that concern several of its parts. */

import * as v from "valibot";
import { isSlug } from "../shared/slug.ts";
import { architectures, components, type MinorSoftware, minorComponents } from "./components.ts";
import { cloudProviderTypes } from "./providers.ts";
import { ALL_REGIONS, parseVersion } from "./versions.ts";

const flag = v.optional(v.boolean());

const text = (most: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(most));

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));

// Ids of zones are 100 times as high as ids of regions, and clients read numbers as 64-bit floats.
const id = whole(1, 1_000_000_000);

const dateTime = v.pipe(
  v.string(),
  v.regex(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
    "must be a time in UTC with milliseconds, 2026-11-01T00:00:00.000Z",
  ),
);

const slug = v.pipe(v.string(), v.check(isSlug, "must be a slug: 1 to 63 characters: a-z, 0-9 and -"));

const uuid = v.pipe(v.string(), v.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "must be a UUID in lower case"));

const nodeType = v.custom<[cpu: number, memory: number]>(
  (input) =>
    Array.isArray(input) &&
    input.length === 2 &&
    input.every((each) => Number.isSafeInteger(each) && each >= 0 && each <= 100_000_000),
  "must be [cores, memory in MiB], two whole numbers",
);

const Region = v.object({
  id,
  slug,
  name: text(100),
  zones: v.pipe(
    v.record(v.pipe(v.string(), v.regex(/^[1-9]\d?$/, "must be a number of a zone, 1 to 99")), slug),
    v.minEntries(1, "must have at least one zone"),
  ),
  unavailableZones: v.optional(v.array(v.string())),
  available: flag,
  restricted: flag,
});

const Provider = v.object({
  id,
  slug,
  type: v.picklist(cloudProviderTypes),
  name: text(100),
  profile: uuid,
  available: flag,
  regions: v.pipe(v.array(Region), v.minLength(1)),
  nodeTypes: v.pipe(v.record(text(64), nodeType), v.minEntries(1, "must have at least one node type")),
  unavailableNodeTypes: v.optional(v.array(v.string())),
});

const imageRegion = v.pipe(
  v.string(),
  v.check((key) => key === ALL_REGIONS || isSlug(key), `must be the slug of a region, or ${ALL_REGIONS} for all`),
);

const Version = v.object({
  version: v.pipe(
    v.string(),
    v.check((value) => parseVersion(value) !== undefined, "must be a version such as v1.34.4-u-ame.2"),
  ),
  kubernetes: v.pipe(v.string(), v.regex(/^v1\.\d{1,4}\.\d{1,4}$/, "must be a version of Kubernetes such as v1.34.4")),
  available: flag,
  /** Machine images, as the provider names them, by the slugs of the provider and the region. */
  images: v.optional(v.record(slug, v.record(imageRegion, text(500)))),
});

const Channel = v.object({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, "must be 1 to 63 characters: a-z, 0-9, . and -")),
  version: v.string(),
  available: flag,
});

const softwareVersion = v.pipe(
  v.string(),
  v.regex(/^\d{1,4}(\.\d{1,4}){1,2}$/, "must be a version without v, such as 2.1.6"),
);

const Software = v.object(
  Object.fromEntries([...minorComponents, "pause"].map((name) => [name, softwareVersion])) as Record<
    keyof MinorSoftware,
    typeof softwareVersion
  >,
);

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "must be a SHA-256 checksum, 64 hexadecimal digits"));

const Checksums = v.object(
  Object.fromEntries(architectures.map((name) => [name, sha256])) as Record<
    (typeof architectures)[number],
    typeof sha256
  >,
);

/** Content of a catalogue file. docs/catalogue.md explains it. */
export const CatalogueData = v.object({
  createdAt: dateTime,
  modifiedAt: dateTime,
  providers: v.pipe(v.array(Provider), v.minLength(1)),
  versions: v.pipe(v.array(Version), v.minLength(1)),
  channels: v.array(Channel),
  software: v.record(v.pipe(v.string(), v.regex(/^v1\.\d{1,4}$/, "must be a minor version such as v1.34")), Software),
  checksums: v.object(
    Object.fromEntries(components.map((name) => [name, v.record(softwareVersion, Checksums)])) as Record<
      (typeof components)[number],
      v.RecordSchema<typeof softwareVersion, typeof Checksums, undefined>
    >,
  ),
});
export type CatalogueData = v.InferOutput<typeof CatalogueData>;
