/** Functions on AWS: entry points, handlers, size budgets and additional files. Imports none of their code. */

/** Bundle of a function. */
export interface Bundle {
  /** Entry point, relative to the project. */
  entry: string;
  /** Exports that Lambda may call. */
  handlers: readonly string[];
  /** Maximum size, minified, in bytes. */
  budgetBytes: number;
  /** Additional files: name in the bundle's folder, and path in the project. */
  files?: Readonly<Record<string, string>>;
  /** Modules that it loads only for the requests that need them. They are files in its folder. */
  lazyModules?: readonly LazyModuleName[];
}

const KIB = 1024;

/**
 * Modules that are loaded with `import()`, by the names of their files. A bundle contains none of them. It would grow by more than the
 * module, because esbuild wraps every module that such a module shares with the rest.
 */
export const lazyModules = {
  // The translator to Cluster API objects with the catalogue, for dry runs that show these objects.
  manifests: { entry: "core/provisioning/cluster-api/render-manifests.ts", budgetBytes: 96 * KIB },
} as const satisfies Record<string, { entry: string; budgetBytes: number }>;

/** Name of a module that is loaded with `import()`. */
export type LazyModuleName = keyof typeof lazyModules;

/** Budget of most functions of the API. */
const API_BYTES = 300 * KIB;

/** Bundles by name. A function loads its whole bundle at every cold start, so size costs start time. */
export const bundles = {
  // With the rules of clusters and the tables of the published clients' dialect.
  clusters: {
    entry: "functions/api/clusters.ts",
    handlers: ["handler"],
    budgetBytes: 348 * KIB,
    lazyModules: ["manifests"],
  },
  // With what Cluster API cannot express.
  "node-pools": {
    entry: "functions/api/node-pools.ts",
    handlers: ["handler"],
    budgetBytes: 302 * KIB,
    lazyModules: ["manifests"],
  },
  // With members, tokens and environments.
  organisations: { entry: "functions/api/organisations.ts", handlers: ["handler"], budgetBytes: 312 * KIB },
  "scheduled-upgrades": { entry: "functions/api/scheduled-upgrades.ts", handlers: ["handler"], budgetBytes: API_BYTES },
  // With a YAML reader.
  observability: { entry: "functions/api/observability.ts", handlers: ["handler"], budgetBytes: 386 * KIB },
  // With a client for KMS.
  "cloud-accounts": { entry: "functions/api/cloud-accounts.ts", handlers: ["handler"], budgetBytes: 340 * KIB },
  references: { entry: "functions/api/references.ts", handlers: ["handler"], budgetBytes: API_BYTES },
  health: { entry: "functions/api/health.ts", handlers: ["handler"], budgetBytes: API_BYTES },
  // Without a client of any service.
  default: {
    entry: "functions/api/fallback.ts",
    handlers: ["handler"],
    budgetBytes: 64 * KIB,
    files: {
      "openapi.json": "functions/openapi/openapi.json",
      "acloud-openapi.json": "functions/openapi/acloud-openapi.json",
      "redoc.js": "node_modules/redoc/bundles/redoc.standalone.js",
    },
  },
  // With a client for KMS and a YAML writer.
  configurations: { entry: "functions/api/configurations.ts", handlers: ["handler"], budgetBytes: 358 * KIB },
  // With clients for KMS, Secrets Manager and Kubernetes, the translator to Cluster API objects, a YAML parser and X.509. No request waits
  // for its start.
  reconcile: { entry: "functions/reconciler/handlers.ts", handlers: ["stream", "schedule"], budgetBytes: 710 * KIB },
} as const satisfies Record<string, Bundle>;

/** Name of a bundle. */
export type BundleName = keyof typeof bundles;

/** Output directory of `npm run build`, relative to the project, with a folder for each bundle, which is uploaded unchanged. */
export const BUNDLES_DIRECTORY = ".build/functions";

/**
 * Returns the location of a function's code, as arguments for SST's components.
 *
 * @param name name of the bundle
 * @param handler export that Lambda calls
 * @param dev true to run from sources, as `sst dev` does, instead of from the bundle
 */
export function codeOf<Name extends BundleName>(
  name: Name,
  handler: (typeof bundles)[Name]["handlers"][number],
  dev = false,
): { handler: string; bundle?: string; copyFiles?: { from: string; to: string }[] } {
  const { entry, files = {} }: Bundle = bundles[name];
  return dev
    ? {
        handler: `${entry.replace(/\.ts$/, "")}.${handler}`,
        copyFiles: Object.entries(files).map(([to, from]) => ({ from, to })),
      }
    : { bundle: `${BUNDLES_DIRECTORY}/${name}`, handler: `bundle.${handler}` };
}
