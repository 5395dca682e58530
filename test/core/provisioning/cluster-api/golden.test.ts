import { expect, test } from "vitest";
import { problemsOf } from "#test/support/cluster-api/crd-validator.ts";
import { exampleNames, exampleOf } from "#test/support/cluster-api/examples.ts";
import { ruleProblems } from "#test/support/cluster-api/object-rules.ts";
import { referenceProblems } from "#test/support/cluster-api/references.ts";
import { refusedIn, toYaml, translateAll, translatedTypes } from "#test/support/cluster-api/translating.ts";

const examples = translatedTypes.flatMap((type) => exampleNames.map((name) => ({ type, name })));

test.each(examples)("the $name cluster of $type is translated to its golden file", async ({ type, name }) => {
  const manifests = translateAll(exampleOf(type, name));
  await expect(toYaml(manifests)).toMatchFileSnapshot(`golden/${type}-${name}.yaml`);
});

test.each(examples)("the $name cluster of $type follows the schemas and the rules of objects", ({ type, name }) => {
  const input = exampleOf(type, name);
  expect(refusedIn(input)).toEqual([]);
  const manifests = translateAll(input);
  expect(manifests.flatMap((manifest) => problemsOf(manifest))).toEqual([]);
  expect([...referenceProblems(manifests), ...ruleProblems(input, manifests)]).toEqual([]);
});
