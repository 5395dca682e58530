/** The settings of a deployment, which environment variables state. */

import { hasServableHost, isLoopbackUrl } from "../core/shared/ip.ts";
import type { Stage } from "./stage.ts";

/** What a lasting stage states for a setting that it goes without. */
const NONE = "none";

/** Settings that a stage can go without. */
const OPTIONAL = ["API_DOMAIN", "API_CERTIFICATE_ARN", "ALARM_EMAIL", "CORS_ORIGINS"] as const;

/** Settings that functions read by the same names. */
const OF_FUNCTIONS = ["CORS_ORIGINS", "HOSTING_POOL_ID", "HOSTING_POOL_NAME", "LOG_LEVEL"] as const;

/** Levels at which functions on AWS may log: all but `silent`, because alarms depend on metrics in the log. */
export const deployableLogLevels = ["debug", "info", "warn", "error"] as const;

/** Settings of a deployment. */
export interface Settings {
  /** The identity provider with which clusters' clients are registered. */
  oidcIssuerUrl: string;
  /** The domain of the API, if it has one. Production uses it as it is, another shared stage a name below it. */
  domain: { name: string; certificate: string | undefined } | undefined;
  /** The address that alarms are sent to. */
  alarmEmail: string | undefined;
  /** Environment variables of every function. */
  passedOn: Readonly<Record<string, string>>;
}

/** Returns the names of the settings that apply to a stage. An ephemeral stage has no domain and no alarms. */
export function settingNames({ isEphemeral }: Pick<Stage, "isEphemeral">): string[] {
  return ["OIDC_ISSUER_URL", ...new Set([...(isEphemeral ? [] : OPTIONAL), ...OF_FUNCTIONS])];
}

/** Returns whether functions accept a URL as that of an issuer; with another they would fail at their start. */
function isIssuer(text: string): boolean {
  // A function on AWS reaches nothing at loopback.
  if (!hasServableHost(text) || isLoopbackUrl(text)) return false;
  const { protocol, search, hash, username, password } = new URL(text);
  return protocol === "https:" && [search, hash, username, password].every((part) => part === "");
}

/** For each setting, what its value must be. OIDC_ISSUER_URL has a check of its own. */
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
  HOSTING_POOL_ID: { isValid: (value) => /^(?=.*[1-9])[0-9]{1,15}$/.test(value), must: "a whole number from 1" },
  HOSTING_POOL_NAME: { isValid: () => true, must: "a name" },
  LOG_LEVEL: {
    isValid: (value) => (deployableLogLevels as readonly string[]).includes(value),
    must: `one of ${deployableLogLevels.join(", ")}; alarms depend on metrics in the log, so silent is refused`,
  },
};

/**
 * Reads the settings of a stage. Empty variables count as unset.
 *
 * A lasting stage must state every setting, `none` for one that it goes without. Otherwise a deployment from another machine
 * would remove the domain, the alarm subscription or the allowed origins without a word.
 *
 * @param environment the environment variables of the deployment
 * @throws Error that names everything that is missing or wrong
 */
export function readSettings(environment: Readonly<Record<string, string | undefined>>, stage: Stage): Settings {
  const isOptional = (name: string) => (OPTIONAL as readonly string[]).includes(name);
  const names = settingNames(stage);
  const stated = new Map(names.flatMap((name) => (environment[name] ? [[name, environment[name]] as const] : [])));
  const given = (name: string) => (isOptional(name) && stated.get(name) === NONE ? undefined : stated.get(name));
  const problems: string[] = [];

  const oidcIssuerUrl = given("OIDC_ISSUER_URL") ?? "";
  if (oidcIssuerUrl === "") {
    problems.push("OIDC_ISSUER_URL: is not set; clusters' clients are registered with that identity provider");
  } else if (!isIssuer(oidcIssuerUrl)) {
    problems.push("OIDC_ISSUER_URL: must be an https URL, of a host and a path alone, that functions on AWS can reach");
  }
  for (const [name, { isValid, must }] of Object.entries(rules).filter(([each]) => names.includes(each))) {
    const value = given(name);
    if (value !== undefined && !isValid(value)) problems.push(`${name}: is ${JSON.stringify(value)}; must be ${must}`);
    if (!stage.isEphemeral && !stated.has(name)) {
      const orNone = isOptional(name) ? `, or ${NONE} to go without` : "";
      problems.push(`${name}: is not set; the stage ${stage.name} must state it: ${must}${orNone}`);
    }
  }
  const [domain, certificate] = [given("API_DOMAIN"), given("API_CERTIFICATE_ARN")];
  if (certificate !== undefined && domain === undefined) {
    problems.push("API_CERTIFICATE_ARN: is for API_DOMAIN, which is not set");
  }
  if (problems.length > 0) throw new Error(`Nothing was deployed:\n${problems.map((each) => `- ${each}`).join("\n")}`);
  return {
    oidcIssuerUrl,
    domain: domain === undefined ? undefined : { name: domain, certificate },
    alarmEmail: given("ALARM_EMAIL"),
    passedOn: Object.fromEntries(
      OF_FUNCTIONS.flatMap((name) => {
        const value = given(name);
        return value === undefined ? [] : [[name, value]];
      }),
    ),
  };
}
