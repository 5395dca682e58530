import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take long, mostly waiting: begun first, so that others fill their pauses. */
const LONG = [
  "waiters",
  "lost-keys",
  "server",
  "waiting",
  "crash",
  "engine",
  "oidc-renewal",
  "writes-faults",
  "upgrades",
].map((name) => `/${name}.test.ts`);

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => LONG.some((end) => moduleId.endsWith(end));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [
      "test/bundles/**",
      "test/clients/**",
      "test/cluster-api/**",
      "test/container/**",
      "test/infra/**",
      "test/nodes/**",
      "test/readers/**",
      "test/runtime/**",
      "**/node_modules/**",
    ],
    globalSetup: ["test/support/global-setup.ts"],
    setupFiles: ["test/support/tables.ts"],
    sequence: { sequencer: LongFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The modules of a worker are loaded, and compiled by V8, once for all of its files: a third of all the time there is. So
    // no file may leave anything behind in them.
    isolate: false,
    // One more than the cores that are counted on, for some always wait.
    maxWorkers: 3,
  },
});
