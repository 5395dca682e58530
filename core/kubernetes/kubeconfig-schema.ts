/** Schemas of the accepted parts of a kubeconfig, and a validation that reports every other property by name. */

import * as v from "valibot";

const text = v.pipe(v.string(), v.minLength(1));
const optionalText = v.optional(text);
/** Many programs write null or "" for an absent list. */
const list = <const T extends v.GenericSchema>(item: T) => v.optional(v.nullable(v.array(item)), null);

/** Whole file. */
export const File = v.object({
  "current-context": v.optional(v.string(), ""),
  clusters: list(v.object({ name: text, cluster: v.record(v.string(), v.unknown()) })),
  contexts: list(
    v.object({
      name: text,
      context: v.object({ cluster: v.optional(v.string(), ""), user: v.optional(v.string(), "") }),
    }),
  ),
  users: list(v.object({ name: text, user: v.optional(v.nullable(v.record(v.string(), v.unknown())), null) })),
});

const ignored = { extensions: v.optional(v.unknown()), "disable-compression": v.optional(v.boolean()) };

/** Section of a cluster. */
export const Cluster = v.object({
  ...ignored,
  server: text,
  "certificate-authority": optionalText,
  "certificate-authority-data": optionalText,
  "tls-server-name": optionalText,
});

/** Command that prints credentials. */
export const Exec = v.object({
  apiVersion: v.picklist(
    ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"],
    "must be client.authentication.k8s.io/v1 or client.authentication.k8s.io/v1beta1",
  ),
  command: text,
  args: list(v.string()),
  env: list(v.object({ name: text, value: v.string() })),
  installHint: v.optional(v.string()),
  provideClusterInfo: v.optional(v.boolean(), false),
  interactiveMode: v.optional(
    v.picklist(["Never", "IfAvailable"], "must be Never or IfAvailable: the command runs without a terminal"),
  ),
});
export type Exec = v.InferOutput<typeof Exec>;

/** Section of a user. */
export const User = v.object({
  extensions: ignored.extensions,
  token: optionalText,
  tokenFile: optionalText,
  "client-certificate": optionalText,
  "client-certificate-data": optionalText,
  "client-key": optionalText,
  "client-key-data": optionalText,
  exec: v.optional(Exec),
});
export type User = v.InferOutput<typeof User>;

/** Known properties that are refused, with the reason. */
const REFUSED: Readonly<Record<string, string>> = {
  "insecure-skip-tls-verify":
    "is not supported: the server's certificate is always verified; set certificate-authority-data",
  "proxy-url": "is not supported: connect without a proxy",
  username: "is not supported: use a token, a client certificate or exec",
  password: "is not supported: use a token, a client certificate or exec",
  "auth-provider": "is not supported, and Kubernetes has removed it: use exec",
  as: "is not supported: no user is impersonated",
  "as-uid": "is not supported: no user is impersonated",
  "as-groups": "is not supported: no user is impersonated",
  "as-user-extra": "is not supported: no user is impersonated",
};

const NO_FILES = "is not supported here: no file is read for this kubeconfig; use";

/** Properties that read a file or run a command, with the reason for which an embedded kubeconfig must not have them. */
export const NOT_EMBEDDED: Readonly<Record<string, string>> = {
  "certificate-authority": `${NO_FILES} certificate-authority-data`,
  "client-certificate": `${NO_FILES} client-certificate-data`,
  "client-key": `${NO_FILES} client-key-data`,
  tokenFile: `${NO_FILES} token`,
  exec: "is not supported here: no command is run for this kubeconfig; use token or a client certificate (-data)",
};

/** Values that mean that a property is not set. */
const isUnset = (value: unknown): boolean => value === undefined || value === null || value === "" || value === false;

/**
 * Validates known properties and refuses all others by name. A property that is null, "" or false counts as absent.
 *
 * @param place path of the object, for problems
 * @param problems receives every problem
 * @param refused known properties that this kubeconfig must not have, with the reason
 * @returns undefined after a problem with a known property
 */
export function validateProperties<const T extends v.ObjectSchema<v.ObjectEntries, undefined>>(
  schema: T,
  values: Record<string, unknown>,
  place: string,
  problems: string[],
  refused: Readonly<Record<string, string>> = {},
): v.InferOutput<T> | undefined {
  const set = Object.fromEntries(Object.entries(values).filter(([, value]) => !isUnset(value)));
  let isRefused = false;
  for (const name of Object.keys(set)) {
    if (!(name in schema.entries)) problems.push(`${place}.${name}: ${REFUSED[name] ?? "is not supported"}`);
    else if (Object.hasOwn(refused, name)) {
      problems.push(`${place}.${name}: ${refused[name]}`);
      isRefused = true;
    }
  }
  const valid = validate(schema, set, place, problems);
  return isRefused ? undefined : valid;
}

/**
 * Validates a value. No problem contains the value.
 *
 * @param place path of the value, for problems
 * @param problems receives every problem
 * @returns undefined after a problem
 */
export function validate<const T extends v.GenericSchema>(
  schema: T,
  value: unknown,
  place: string,
  problems: string[],
): v.InferOutput<T> | undefined {
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  for (const { path, type, kind, expected, message } of parsed.issues) {
    const name = path?.map(({ key }) => String(key)).join(".");
    // valibot's own messages contain the value.
    const own = type === "picklist" && !message.startsWith("Invalid") ? message : `must be ${expected ?? kind}`;
    problems.push(`${place}${name === undefined ? "" : `.${name}`}: ${own}`);
  }
  return undefined;
}
