import { defineConfig } from "vitest/config";

/** Runs with the admission webhooks of the providers, and runs the tests that need them: `npm run test:cluster-api:webhooks`. */
const hasWebhooks = process.env.CLUSTER_API_WEBHOOKS === "1";

/** Runs on a management cluster that `npm run cluster-api:install` builds. `npm test` does not include it. */
export default defineConfig({
  test: {
    include: [hasWebhooks ? "test/cluster-api/**/*.webhooks.test.ts" : "test/cluster-api/**/*.test.ts"],
    exclude: hasWebhooks ? [] : ["**/*.webhooks.test.ts"],
    globalSetup: ["test/support/global-setup.ts", "test/cluster-api/global-setup.ts"],
    // A file can restart the API server, which all files use. Within a file tests can be concurrent.
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
