/** Searches texts for secrets: known secrets of the suite, and texts that look like one. */

/** Secrets by their texts, oldest first. */
const known = new Set<string>();

/** Number of secrets that are searched for: every line of every log is searched for all of them. */
const MAX_KNOWN = 300;

/** Patterns of personal access tokens, private keys, and kubeadm's tokens in a command. */
const SECRET_PATTERNS = [
  /ame_[0-9A-Za-z]{93}/,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /--token [a-z0-9]{6}\.[a-z0-9]{16}/,
];

/** Remembers secrets, only the last ones if there are very many. */
export function addKnownSecrets(...secrets: readonly (string | undefined)[]): void {
  for (const secret of secrets) if (secret !== undefined) known.add(secret);
  const oldest = [...known].slice(0, Math.max(0, known.size - MAX_KNOWN));
  for (const secret of oldest) known.delete(secret);
}

/** Patterns of secrets in the responses that return them. */
const RETURNED_SECRETS = [
  /"clientSecret":"([^"]+)"/g,
  /--oidc-client-secret=([A-Za-z0-9_-]+)/g,
  /--token ([a-z0-9]{6}\.[a-z0-9]{16})/g,
  /"token":"(ame_[0-9A-Za-z]+)"/g,
];

/** Remembers the secrets of a response. */
export function addSecretsOf(text: string): void {
  addKnownSecrets(...RETURNED_SECRETS.flatMap((look) => Array.from(text.matchAll(look), ([, secret]) => secret)));
}

/** Lists every secret in a text. */
export const secretsIn = (text: string): string[] => [
  ...SECRET_PATTERNS.flatMap((look) => look.exec(text)?.[0] ?? []),
  ...[...known].filter((secret) => text.includes(secret)),
];

/** Asserts that a text contains no secret. @param where name of the text for the failure message */
export function expectNoSecrets(text: string, where: string): void {
  const found = secretsIn(text);
  if (found.length > 0) throw new Error(`${where} contains a secret: ${found.join(", ")}`);
}
