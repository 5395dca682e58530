import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CloudProvider } from "#core/catalogue/index.ts";
import type { TranslationInput } from "#core/provisioning/cluster-api/input.ts";
import { canonicalJson } from "#core/provisioning/cluster-api/manifest.ts";
import { rulesByType } from "#core/provisioning/cluster-api/profile-rules.ts";
import { translate } from "#core/provisioning/cluster-api/translate.ts";
import type { Problem } from "#core/shared/errors.ts";
import { inputArbitrary, reordered } from "#test/support/cluster-api/configurations.ts";
import { problemsOf } from "#test/support/cluster-api/crd-validator.ts";
import { exampleNames, exampleOf } from "#test/support/cluster-api/examples.ts";
import { catalogueProvider } from "#test/support/cluster-api/input-parts.ts";
import { ruleProblems } from "#test/support/cluster-api/object-rules.ts";
import { credentialsOf } from "#test/support/cluster-api/provider-settings.ts";
import { referenceProblems } from "#test/support/cluster-api/references.ts";
import { bytesOf, refusedIn, translateAll, translatedTypes } from "#test/support/cluster-api/translating.ts";

/** Random configurations of each provider. `TRANSLATION_RUNS` sets more. */
const RUNS = Number(process.env.TRANSLATION_RUNS ?? 30);
const LIMIT_MS = 60_000 + RUNS * 100;

describe.each(translatedTypes)("configurations of %s", (type) => {
  test.each(exampleNames)(
    "the objects of the %s example match the schemas and the rules, and no setting is refused",
    (name) => {
      const example = exampleOf(type, name);
      const manifests = translateAll(example);
      expect(refusedIn(example)).toEqual([]);
      expect(manifests.flatMap((manifest) => problemsOf(manifest))).toEqual([]);
      expect([...referenceProblems(manifests), ...ruleProblems(example, manifests)]).toEqual([]);
    },
  );

  const input = inputArbitrary(type);
  const check = (property: (each: TranslationInput) => void) =>
    fc.assert(fc.property(input, property), { numRuns: RUNS });

  test("each object of a random cluster matches the schema of its kind, without unknown fields", {
    timeout: LIMIT_MS,
  }, () => {
    check((each) => {
      const manifests = translateAll(each);
      const problems = manifests.map((manifest) => [manifest.kind, problemsOf(manifest)]);
      expect(problems).toEqual(manifests.map(({ kind }) => [kind, []]));
    });
  });

  test("each reference of a random cluster is to an earlier object, and names, labels and sizes match the rules", {
    timeout: LIMIT_MS,
  }, () => {
    check((each) => {
      const manifests = translateAll(each);
      expect([...referenceProblems(manifests), ...ruleProblems(each, manifests)]).toEqual([]);
    });
  });

  test("no object except Secrets contains a secret of the account", { timeout: LIMIT_MS }, () => {
    const forms = Object.values(credentialsOf(type, "example")).flatMap((secret) => [
      secret,
      Buffer.from(secret).toString("base64"),
    ]);
    check((each) => {
      const text = translate(each).map(canonicalJson).join();
      expect(forms.filter((form) => text.includes(form))).toEqual([]);
    });
  });

  test("no setting of a random cluster is refused, and the provider's settings are valid in a profile file", {
    timeout: LIMIT_MS,
  }, () => {
    const rules = rulesByType[type] as readonly ((settings: object, provider: CloudProvider) => Problem[])[];
    check((each) => {
      expect(refusedIn(each)).toEqual([]);
      expect(rules.flatMap((rule) => rule(each.settings, catalogueProvider(type)))).toEqual([]);
    });
  });

  test("equal inputs in another order are translated to the same bytes", { timeout: LIMIT_MS }, () => {
    const numbers = fc.infiniteStream(fc.nat());
    const property = fc.property(input, numbers, (each, stream) => {
      const next = (limit: number) => stream.next().value % limit;
      expect(bytesOf(reordered(each, next))).toBe(bytesOf(each));
    });
    fc.assert(property, { numRuns: RUNS });
  });
});
