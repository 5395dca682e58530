/** Settings of a deployment, from environment variables. */

import { existsSync } from "node:fs";
import { hasServableHost, isLoopbackUrl } from "../core/shared/ip.ts";
import type { Stage } from "./stage.ts";

/** Value that a permanent stage sets for an unused setting. */
const NONE = "none";

/** Settings that can be unused. */
const OPTIONAL = [
  "API_DOMAIN",
  "API_CERTIFICATE_ARN",
  "ALARM_EMAIL",
  "CORS_ORIGINS",
  "CATALOGUE_FILE",
  "CLUSTER_API_PROFILES",
] as const;

/** Settings that are passed on to functions with the same names. */
const OF_FUNCTIONS = ["CORS_ORIGINS", "HOSTING_POOL_ID", "HOSTING_POOL_NAME", "LOG_LEVEL", "PROVISIONER"] as const;

/** Settings of the build, which writes these files into the functions. */
export const buildSettings = ["CATALOGUE_FILE", "CLUSTER_API_PROFILES"] as const;

/** Provisioner that needs a profile file and a management cluster. */
export const CLUSTER_API = "cluster-api";

/** Levels at which functions on AWS may log: all but `silent`, because alarms depend on metrics in the log. */
export const deployableLogLevels = ["debug", "info", "warn", "error"] as const;

/** Settings of a deployment. */
export interface Settings {
  /** URL of the identity provider that registers the clients of clusters. */
  oidcIssuerUrl: string;
  /** Domain of the API, if it has one. Production uses it, another shared stage a subdomain. */
  domain: { name: string; certificate: string | undefined } | undefined;
  /** E-mail address for alarms. */
  alarmEmail: string | undefined;
  /** True if clusters are built with Cluster API. */
  usesClusterApi: boolean;
  /** Environment variables of every function. */
  passedOn: Readonly<Record<string, string>>;
}

/** Returns the names of the settings that apply to a stage. An ephemeral stage has no domain and no alarms. */
export function settingNames({ isEphemeral }: Pick<Stage, "isEphemeral">): string[] {
  return ["OIDC_ISSUER_URL", ...new Set([...(isEphemeral ? [] : OPTIONAL), ...OF_FUNCTIONS, ...buildSettings])];
}

/** Returns whether functions accept a URL as an issuer; with any other URL they would fail at their start. */
function isIssuer(text: string): boolean {
  // A function on AWS cannot reach a loopback address.
  if (!hasServableHost(text) || isLoopbackUrl(text)) return false;
  const { protocol, search, hash, username, password } = new URL(text);
  return protocol === "https:" && [search, hash, username, password].every((part) => part === "");
}

/** Rules for the values of settings. OIDC_ISSUER_URL has its own check. */
const rules: Record<string, { isValid: (value: string) => boolean; must: string }> = {
  API_DOMAIN: {
    isValid: (value) => /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])$/.test(value),
    must: "a domain name in lower case",
  },
  API_CERTIFICATE_ARN: {
    isValid: (value) => value.startsWith("arn:"),
    must: "the ARN of a certificate in this region",
  },
  ALARM_EMAIL: { isValid: (value) => value.includes("@"), must: "an e-mail address" },
  CORS_ORIGINS: {
    isValid: (value) => value.split(",").every((origin) => /^[a-z][a-z0-9+.-]*:\/\/[^\s/]+$/.test(origin.trim())),
    must: "origins such as https://console.example.com without a path, separated by commas",
  },
  // `npm run deploy` has checked its content, because the build comes first.
  CATALOGUE_FILE: { isValid: (value) => existsSync(value), must: "the path of a catalogue file that exists" },
  CLUSTER_API_PROFILES: { isValid: (value) => existsSync(value), must: "the path of a profile file that exists" },
  PROVISIONER: {
    isValid: (value) => value === "simulated" || value === CLUSTER_API,
    must: `simulated or ${CLUSTER_API}`,
  },
  HOSTING_POOL_ID: { isValid: (value) => /^(?=.*[1-9])[0-9]{1,15}$/.test(value), must: "a whole number from 1" },
  HOSTING_POOL_NAME: { isValid: () => true, must: "a name" },
  LOG_LEVEL: {
    isValid: (value) => (deployableLogLevels as readonly string[]).includes(value),
    must: `one of ${deployableLogLevels.join(", ")}; silent is not allowed, because alarms depend on metrics in the log`,
  },
};

/**
 * Reads the settings of a stage. Empty variables count as unset.
 *
 * A permanent stage must set every setting, to `none` if it is unused. Otherwise a deployment from another machine could silently
 * remove the domain, the alarm subscription, the allowed origins or the operator's catalogue, or stop building real clusters.
 *
 * @param environment environment variables of the deployment
 * @throws Error that lists every missing or invalid setting
 */
export function readSettings(environment: Readonly<Record<string, string | undefined>>, stage: Stage): Settings {
  const isOptional = (name: string) => (OPTIONAL as readonly string[]).includes(name);
  const names = settingNames(stage);
  const stated = new Map(names.flatMap((name) => (environment[name] ? [[name, environment[name]] as const] : [])));
  const given = (name: string) => (isOptional(name) && stated.get(name) === NONE ? undefined : stated.get(name));
  const problems: string[] = [];

  const oidcIssuerUrl = given("OIDC_ISSUER_URL") ?? "";
  if (oidcIssuerUrl === "") {
    problems.push(
      "OIDC_ISSUER_URL: is not set; it must be the identity provider that registers the clients of clusters",
    );
  } else if (!isIssuer(oidcIssuerUrl)) {
    problems.push(
      "OIDC_ISSUER_URL: must be an https URL with only a host and a path, which functions on AWS can reach",
    );
  }
  for (const [name, { isValid, must }] of Object.entries(rules).filter(([each]) => names.includes(each))) {
    const value = given(name);
    if (value !== undefined && !isValid(value)) problems.push(`${name}: is ${JSON.stringify(value)}; must be ${must}`);
    if (!stage.isEphemeral && !stated.has(name)) {
      const orNone = isOptional(name) ? `, or ${NONE} for none` : "";
      problems.push(`${name}: is not set; the stage ${stage.name} requires it: ${must}${orNone}`);
    }
  }
  const [domain, certificate] = [given("API_DOMAIN"), given("API_CERTIFICATE_ARN")];
  if (certificate !== undefined && domain === undefined) {
    problems.push("API_CERTIFICATE_ARN: requires API_DOMAIN, which is not set");
  }
  const usesClusterApi = given("PROVISIONER") === CLUSTER_API;
  const hasProfiles = given("CLUSTER_API_PROFILES") !== undefined;
  // Without a statement, the lasting stage was refused above.
  if (usesClusterApi && !hasProfiles && (stage.isEphemeral || stated.has("CLUSTER_API_PROFILES"))) {
    problems.push(`CLUSTER_API_PROFILES: is not set; PROVISIONER=${CLUSTER_API} requires the path of a profile file`);
  }
  if (hasProfiles && !usesClusterApi) {
    problems.push(`CLUSTER_API_PROFILES: requires PROVISIONER=${CLUSTER_API}`);
  }
  if (problems.length > 0) throw new Error(`Nothing was deployed:\n${problems.map((each) => `- ${each}`).join("\n")}`);
  return {
    oidcIssuerUrl,
    domain: domain === undefined ? undefined : { name: domain, certificate },
    alarmEmail: given("ALARM_EMAIL"),
    usesClusterApi,
    passedOn: Object.fromEntries(
      OF_FUNCTIONS.flatMap((name) => {
        const value = given(name);
        return value === undefined ? [] : [[name, value]];
      }),
    ),
  };
}
