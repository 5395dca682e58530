/** Finding branches' stages whose time is over, by the tags of what they are made of. */

import { stageOf } from "./stage.ts";

/** What AWS answers of resources with tags, as far as it is read. */
export interface TaggedResources {
  ResourceTagMappingList?: { Tags?: { Key: string; Value: string }[] }[];
}

/** What the AWS command is asked: each stage's table, which goes with its stage at once. */
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
 * Finds the stages whose day has passed. A stage that is not a branch's never is one, whatever its tags say.
 *
 * @param found what AWS answers
 * @param now of the sweep
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
