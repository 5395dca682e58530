import { defineConfig } from "vitest/config";

/** Tests of the stacks. They need SST's platform, which `npm run infra:install` installs. `npm test` does not include them. */
export default defineConfig({
  test: {
    include: ["test/infra/**/*.test.ts"],
    globalSetup: ["test/infra/global-setup.ts"],
    // Each test runs a process.
    maxConcurrency: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
