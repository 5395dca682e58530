import { expect, test } from "vitest";
import { exampleNames, exampleOf } from "#test/support/cluster-api/examples.ts";
import { toYaml, translateAll, translatedTypes } from "#test/support/cluster-api/translating.ts";

const examples = translatedTypes.flatMap((type) => exampleNames.map((name) => ({ type, name })));

test.each(examples)("the $name example of $type is translated to its golden file", async ({ type, name }) => {
  const manifests = translateAll(exampleOf(type, name));
  await expect(toYaml(manifests)).toMatchFileSnapshot(`golden/${type}-${name}.yaml`);
});
