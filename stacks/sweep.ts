/** Finds expired stages of branches by the tags of their tables. */

import { stageOf } from "./stage.ts";

/** Used part of AWS's response with tagged resources. */
interface TaggedResources {
  ResourceTagMappingList?: { Tags?: { Key: string; Value: string }[] }[];
}

/** Arguments of the AWS command that lists the table of each stage. A stage's table is removed together with the stage. */
export const LIST_TABLES = [
  "resourcegroupstaggingapi",
  "get-resources",
  "--resource-type-filters",
  "dynamodb:table",
  "--tag-filters",
  "Key=sst:app,Values=ame-clusters",
  "Key=expires",
  "--output",
  "json",
];

/**
 * Finds stages whose expiry date has passed. Only stages of branches expire, whatever the tags of others are.
 *
 * @param found response of AWS
 * @param now time of the sweep
 */
export function expiredStages({ ResourceTagMappingList = [] }: TaggedResources, now: Date): string[] {
  const today = now.toISOString().slice(0, 10);
  const expired = new Set<string>();
  for (const { Tags = [] } of ResourceTagMappingList) {
    const tags = new Map(Tags.map(({ Key, Value }) => [Key, Value]));
    const [stage, expires] = [tags.get("sst:stage"), tags.get("expires")];
    if (stage === undefined || expires === undefined || !/^\d{4}-\d\d-\d\d$/.test(expires)) continue;
    if (expires < today && stageOf(stage).kind === "branch") expired.add(stage);
  }
  return [...expired].sort();
}
