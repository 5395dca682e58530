/** The functions there are on AWS: what each is made of, what of it is called, and how large it may be. No code of theirs. */

/** A function's bundle. */
export interface Bundle {
  /** The entry point, relative to the project. */
  entry: string;
  /** What Lambda may call of it. */
  handlers: readonly string[];
  /** How large it may be, minified, in bytes. */
  budgetBytes: number;
  /** Files that lie beside it, by their names there; where they are in the project. */
  files?: Readonly<Record<string, string>>;
}

const KIB = 1024;

/** What most functions of the API stay within. */
const API_BYTES = 300 * KIB;

/** Every bundle by its name, with its budget. Each is loaded whole whenever a function starts, so what it carries is what it costs. */
export const bundles = {
  clusters: { entry: "functions/api/clusters.ts", handlers: ["handler"], budgetBytes: API_BYTES },
  "node-pools": { entry: "functions/api/node-pools.ts", handlers: ["handler"], budgetBytes: API_BYTES },
  references: { entry: "functions/api/references.ts", handlers: ["handler"], budgetBytes: API_BYTES },
  health: { entry: "functions/api/health.ts", handlers: ["handler"], budgetBytes: API_BYTES },
  // No client for anything.
  default: {
    entry: "functions/api/fallback.ts",
    handlers: ["handler"],
    budgetBytes: 64 * KIB,
    files: {
      "openapi.json": "functions/openapi/openapi.json",
      "redoc.js": "node_modules/redoc/bundles/redoc.standalone.js",
    },
  },
  // A client for KMS, and what writes YAML.
  configurations: { entry: "functions/api/configurations.ts", handlers: ["handler"], budgetBytes: 352 * KIB },
  // A client for KMS and X.509; nobody waits for it.
  reconcile: { entry: "functions/reconciler/handlers.ts", handlers: ["stream", "schedule"], budgetBytes: 520 * KIB },
} as const satisfies Record<string, Bundle>;

/** The name of a bundle. */
export type BundleName = keyof typeof bundles;

/** Where `npm run build` puts the bundles, relative to the project; each has a folder of its own that is uploaded as it is. */
export const BUNDLES_DIRECTORY = ".build/functions";

/**
 * Says where a function's code is, in the words of SST's components.
 *
 * @param name of the bundle
 * @param handler what of it Lambda calls
 * @param dev whether it runs from its sources, as `sst dev` does, instead of from what `npm run build` made of them
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
