/** Files of the SDK's packages that bundles replace by shims: they have no module name for an alias. */

/** Replaced file. */
interface ReplacedFile {
  /** Path below `node_modules`. */
  file: string;
  /** File in `shims/`. It exports the same names and explains why the omitted parts are unused. */
  shim: string;
  /** SHA-256 of the file that the shim replaces. If it changes: review the change, then update the checksum. */
  sha256: string;
}

const SMITHY = "@smithy/core/dist-es/submodules";
const AWS = "@aws-sdk/core/dist-es/submodules/client";

/** All replaced files. */
export const replacedFiles: readonly ReplacedFile[] = [
  {
    file: `${AWS}/util-endpoints/lib/aws/partition.js`,
    shim: "partition.ts",
    sha256: "d20fb415a0643b3680fcc0f84597b68c6b3e05e3417adcefd983c8bf252e7521",
  },
  {
    file: `${AWS}/middleware-logger/loggerMiddleware.js`,
    shim: "call-log.ts",
    sha256: "0448f287de1664540e6331241b3ea10d4abf55624400139d57cd5a2e00cb57c5",
  },
  {
    file: `${AWS}/middleware-recursion-detection/recursionDetectionMiddleware.js`,
    shim: "recursion-detection.ts",
    sha256: "cec26b92be1b2ab3723495a8d414acc6e4a5e9f49aa860cab58daf0e8930f80c",
  },
  {
    file: `${AWS}/middleware-user-agent/check-features.js`,
    shim: "user-agent-features.ts",
    sha256: "4bb9d81d0f0698c84b3a046cc3f192e9e72fbbc972a9d718f6d6e02eb517af21",
  },
  {
    file: `${SMITHY}/checksum/sha256/Sha256Js.js`,
    shim: "sha256.ts",
    sha256: "54d26649ccb5c6f5d34f89bf22167db9f91eeab6c05af115f7b0dbf041081ec4",
  },
  {
    file: `${SMITHY}/config/config-resolver/regionConfig/getInstanceMetadataRegion.js`,
    shim: "instance-region.ts",
    sha256: "da6d439b0eb4d93a17f5919d6e9d349b3931b2ac9e913b13b7abe3e4f61ee9fa",
  },
  {
    file: `${SMITHY}/config/shared-ini-file-loader/loadSharedConfigFiles.js`,
    shim: "config-files.ts",
    sha256: "6254ceb3bfa2d608c8b279c0171e80bc10025994dfad05dc978e597aa3471876",
  },
  {
    file: `${SMITHY}/protocols/HttpBindingNormalizedSchema.js`,
    shim: "http-bindings.ts",
    sha256: "c60ee4dff36d68d84ad9c9653569b2888b83c1820bec705cd5187f1ec16deecc",
  },
  {
    file: `${SMITHY}/retry/util-retry/AdaptiveRetryStrategy.js`,
    shim: "adaptive-retries.ts",
    sha256: "826965148cb6b0f7aae779bcc88909a275b3551f139da9d848b8558cd4463c8e",
  },
  {
    file: `${SMITHY}/serde/date-utils.js`,
    shim: "dates.ts",
    sha256: "9b64f13c90463b44c0183721802eb8e482f3207d12b4f397c92a9da9ed688590",
  },
  {
    file: "@smithy/core/dist-es/legacy-root-exports/pagination/createPaginator.js",
    shim: "paginator.ts",
    sha256: "077d55e46108b1b8bbdeee7534b26f0e1292562940bb284130ca288a35ae4ae2",
  },
  {
    file: "@smithy/signature-v4/dist-es/HeaderFormatter.js",
    shim: "message-headers.ts",
    sha256: "d82a105e2abe3fbd67a4c0310d48f7b93354813de1dbf98083f76fd08d4583e7",
  },
];

/**
 * Errors of the SDK's services that stay separate classes, because code checks for the class (`instanceof`) or the class marks the
 * call as retryable (`$retryable`). Every other error has the service's base class, with the same name, message and metadata.
 */
export const preservedErrors: ReadonlySet<string> = new Set([
  "ConditionalCheckFailedException",
  "ReplicatedWriteConflictException",
  "TransactionCanceledException",
  "TransactionConflictException",
  "TransactionInProgressException",
]);

/**
 * Removes errors that are not in `preservedErrors` from a service's schemas. Their classes are then unused, and the bundler drops them.
 *
 * @param schemas source text of a client's `schemas_0.js`
 * @throws Error if the text registers no error in the expected form
 */
export function removeErrors(schemas: string): string {
  const registered = /^export var (\w+)\$ = \[-3, n0, [^;]*;\nn0_registry\.registerError\(\1\$, \1\);\n/gm;
  const dropped = new Set<string>();
  const left = schemas.replace(registered, (text, name: string) => {
    if (preservedErrors.has(name)) return text;
    dropped.add(name);
    return "";
  });
  if (dropped.size === 0) throw new Error("the SDK's schemas do not register errors in the expected form");
  const [referred] = [...left.matchAll(/\b(\w+)\$/g)].filter(([, name = ""]) => dropped.has(name));
  if (referred !== undefined) throw new Error(`another schema of the SDK refers to the error ${referred[1]}`);
  return left;
}
