/** What whoever deploys says, in environment variables. */

/** Variables that functions get as they are, where they are set. */
const PASSED_ON = ["CORS_ORIGINS", "HOSTING_POOL_ID", "HOSTING_POOL_NAME", "LOG_LEVEL"] as const;

/** What a deployment is made with. */
export interface Settings {
  /** The identity provider with which clusters' clients are registered. */
  oidcIssuerUrl: string;
  /** The API's own domain, where it has one: production's as it is, another shared stage's below it. */
  domain: { name: string; certificate: string | undefined } | undefined;
  /** Who is told of alarms. */
  alarmEmail: string | undefined;
  /** Variables of every function. */
  passedOn: Readonly<Record<string, string>>;
}

/** As the functions will hold it, which would refuse to start otherwise. */
function isIssuer(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, search, hash, username, password } = new URL(text);
  return protocol === "https:" && [search, hash, username, password].every((part) => part === "");
}

/**
 * Reads the settings. Empty variables count as unset.
 *
 * @throws Error that names everything that is missing or wrong
 */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const given = (name: string) => environment[name] || undefined;
  const problems: string[] = [];
  const oidcIssuerUrl = given("OIDC_ISSUER_URL") ?? "";
  if (oidcIssuerUrl === "") {
    problems.push("OIDC_ISSUER_URL: is not set; clusters' clients are registered with that identity provider");
  } else if (!isIssuer(oidcIssuerUrl)) {
    problems.push("OIDC_ISSUER_URL: must be an https URL, of a host and a path alone");
  }
  const [domain, certificate] = [given("API_DOMAIN"), given("API_CERTIFICATE_ARN")];
  if (domain !== undefined && !/^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/.test(domain)) {
    problems.push("API_DOMAIN: must be a domain name in lower case");
  }
  if (certificate !== undefined && domain === undefined) {
    problems.push("API_CERTIFICATE_ARN: is for API_DOMAIN, which is not set");
  }
  if (certificate !== undefined && !certificate.startsWith("arn:")) {
    problems.push("API_CERTIFICATE_ARN: must be the ARN of a certificate in this region");
  }
  const alarmEmail = given("ALARM_EMAIL");
  if (alarmEmail !== undefined && !alarmEmail.includes("@")) problems.push("ALARM_EMAIL: must be an e-mail address");
  if (problems.length > 0) throw new Error(`Nothing was deployed:\n${problems.map((each) => `- ${each}`).join("\n")}`);
  return {
    oidcIssuerUrl,
    domain: domain === undefined ? undefined : { name: domain, certificate },
    alarmEmail,
    passedOn: Object.fromEntries(PASSED_ON.flatMap((name) => (environment[name] ? [[name, environment[name]]] : []))),
  };
}
