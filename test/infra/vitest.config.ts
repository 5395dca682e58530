import { defineConfig } from "vitest/config";

/** The stacks' tests need SST's platform, which `npm run infra:install` fetches; `npm test` does without. */
export default defineConfig({
  test: {
    include: ["test/infra/**/*.test.ts"],
    globalSetup: ["test/infra/global-setup.ts"],
    // Each runs a process of its own.
    maxConcurrency: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
