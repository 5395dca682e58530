/** Reads the environment variables. No other module does. */

import * as v from "valibot";
import { AppError } from "#core/shared/errors.ts";
import { canSendRequests, hasServableHost, isLoopbackUrl } from "#core/shared/ip.ts";
import { formatValue } from "#core/shared/validation.ts";

/** Returns whether a text is a valid URL of an OIDC issuer. Without TLS, only a loopback address is allowed. */
function isIssuer(text: string): boolean {
  const url = URL.parse(text);
  // Every kubeconfig contains this URL, so it must not contain a password.
  if (url === null || /[?#\s]/.test(text) || url.username !== "" || url.password !== "") return false;
  return url.protocol === "https:" || isLoopbackUrl(text);
}

/** Provisioners. */
const provisioners = ["simulated", "cluster-api"] as const;

/** Log levels. */
export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;

const list = v.pipe(
  v.string(),
  v.transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  ),
);

const whole = (least: number, most: number) =>
  v.pipe(
    v.string(),
    v.regex(/^[0-9]{1,15}$/, "must be a whole number"),
    v.transform(Number),
    v.minValue(least, `must be at least ${least}`),
    v.maxValue(most, `must be at most ${most}`),
  );

/** Returns an origin as browsers send it (RFC 6454, section 6.2): in lower case, without a default port and a path. */
function browserOrigin(text: string): string {
  const origin = URL.parse(text)?.origin ?? "null";
  // The parser does not know the origin of other schemes.
  return origin === "null" ? text : origin;
}

const servable = v.check(
  (text: string) => URL.parse(text) === null || hasServableHost(text),
  "must not have an unspecified, link-local, multicast or reserved address, which no client can reach",
);

const Variables = v.object({
  PORT: v.optional(whole(0, 65_535), "4000"),
  HOST: v.optional(v.string(), "127.0.0.1"),
  DATA_DIR: v.optional(v.string(), ".data"),
  DYNAMODB_ENDPOINT: v.optional(v.pipe(v.string(), v.url("must be a URL"))),
  TABLE_NAME: v.optional(
    v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{3,255}$/, "must be 3 to 255 characters: letters, digits, _, . and -")),
    "ame",
  ),
  STAGE: v.optional(v.pipe(v.string(), v.maxLength(64, "must be at most 64 characters")), "local"),
  PROVISIONER: v.optional(v.picklist(provisioners, `must be ${provisioners.join(" or ")}`), "simulated"),
  SIMULATED_STEP_MS: v.optional(whole(1, 3_600_000), "800"),
  OIDC_ISSUER_URL: v.optional(
    v.pipe(
      v.string(),
      v.check((text) => isIssuer(text), "must be an https URL (http on this machine) with only a host and a path"),
      servable,
    ),
  ),
  OIDC_INITIAL_ACCESS_TOKEN: v.optional(v.string()),
  KMS_KEY_ID: v.optional(v.string()),
  KEYS_FILE: v.optional(v.string()),
  /** Path of the operator's catalogue; `none` for that of this release. */
  CATALOGUE_FILE: v.optional(v.string()),
  /** Path of the operator's profile file for the Cluster API provisioner; `none` for no file. */
  CLUSTER_API_PROFILES: v.optional(v.string()),
  /** Path of the kubeconfig with which the reconciler reaches the management cluster. */
  CLUSTER_API_KUBECONFIG: v.optional(v.string()),
  /** ARN of the secret with this kubeconfig, and the version of the secret: for functions on AWS. */
  CLUSTER_API_KUBECONFIG_SECRET: v.optional(v.string()),
  CLUSTER_API_KUBECONFIG_VERSION: v.optional(v.string()),
  /** Shows whether credentials are configured. The SDK reads them itself. */
  AWS_ACCESS_KEY_ID: v.optional(v.string()),
  LOG_LEVEL: v.optional(v.picklist(logLevels, `must be one of ${logLevels.join(", ")}`), "info"),
  HOSTING_POOL_ID: v.optional(whole(1, Number.MAX_SAFE_INTEGER), "1"),
  HOSTING_POOL_NAME: v.optional(v.string(), "default"),
  PUBLIC_URL: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^https?:\/\/[^\s?#]+$/i, "must be an http or https URL without a query"),
      servable,
      v.transform((url) => url.replace(/\/+$/, "")),
    ),
  ),
  CORS_ORIGINS: v.optional(
    v.pipe(
      list,
      v.transform((origins) => origins.map(browserOrigin)),
    ),
    "",
  ),
  TRUSTED_PROXIES: v.optional(
    v.pipe(
      list,
      v.check(
        (blocks) => blocks.every(canSendRequests),
        "must be CIDR blocks that requests can come from, such as 10.0.0.0/8,192.168.0.0/16",
      ),
    ),
    "",
  ),
});

/** Configuration from the environment variables, with defaults applied. */
export type Config = v.InferOutput<typeof Variables>;

/** Variables that the Cluster API provisioner needs, and what they must be. Which of them depends on the process. */
const clusterApiVariables = {
  CLUSTER_API_PROFILES: "the path of a profile file",
  CLUSTER_API_KUBECONFIG: "the path of the kubeconfig of the management cluster",
  CLUSTER_API_KUBECONFIG_SECRET: "the ARN of the secret with the kubeconfig of the management cluster",
  CLUSTER_API_KUBECONFIG_VERSION: "the version of this secret",
} as const;

/** Name of a variable that the Cluster API provisioner needs. */
export type ClusterApiVariable = keyof typeof clusterApiVariables;

/** Value of a path for no file. */
const NONE = "none";

/** Formats the value of a variable for a message, without a user name and a password of a URL. */
const shown = (value: string | undefined) => formatValue(value?.replaceAll(/\/\/[^/@\s]*@/g, "//…@"));

/**
 * Reads the environment variables. An empty variable counts as unset.
 *
 * @param needed variables that this process needs with the Cluster API provisioner; `none` counts as unset
 * @throws AppError that lists every invalid or missing variable
 */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
  needed: readonly ClusterApiVariable[] = [],
): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
  const parsed = v.safeParse(Variables, given);
  const usesClusterApi = given.PROVISIONER === "cluster-api";
  const missing = needed.filter((name) => usesClusterApi && (given[name] === undefined || given[name] === NONE));
  if (parsed.success && missing.length === 0) return parsed.output;
  const invalid = parsed.issues ?? [];
  const [first = "The environment variables are invalid.", ...rest] = [
    ...invalid.map((issue) => {
      const name = v.getDotPath(issue) ?? "environment";
      return `${name}: ${shown(given[name])} is not allowed: ${issue.message}`;
    }),
    ...missing.map((name) => `${name}: is not set; PROVISIONER=cluster-api requires ${clusterApiVariables[name]}`),
  ];
  // Lambda's runtime client logs only the message of an error that stops the start.
  throw new AppError("invalid", "config.invalid", [first, ...rest], { message: [first, ...rest].join("; ") });
}

/** Variables of `Variables` that belong to the AWS SDK. */
const SHARED_VARIABLES: ReadonlySet<string> = new Set(["AWS_ACCESS_KEY_ID"]);

/**
 * Returns the environment of a command of the operator, such as a credential plugin of a kubeconfig: that of this process without the
 * service's own variables, of which some are secrets.
 */
export const commandEnvironment = (
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(environment).filter(([name]) => !(name in Variables.entries) || SHARED_VARIABLES.has(name)),
  );

/**
 * Returns a variable that only some entry points need.
 *
 * @throws AppError that names the variable if it is not set
 */
export function requireVariable<Name extends "OIDC_ISSUER_URL" | "KMS_KEY_ID">(config: Config, name: Name): string {
  const value = config[name];
  if (value === undefined) throw new AppError("invalid", "config.invalid", [`${name}: is not set`]);
  return value;
}
