/** What must stand nowhere but where it was handed out: secrets that the suite knows, and what has the look of one. */

/** Secrets by their texts, the oldest first. */
const known = new Set<string>();

/** How many are looked for at a time: every line of every log is searched for all of them. */
const MOST_KNOWN = 300;

/** Personal access tokens, private keys, and kubeadm's tokens in a command. */
const LOOKS = [/ame_[0-9A-Za-z]{93}/, /-----BEGIN [A-Z ]*PRIVATE KEY-----/, /--token [a-z0-9]{6}\.[a-z0-9]{16}/];

/** Remembers secrets, the last ones of very many. */
export function learn(...secrets: readonly (string | undefined)[]): void {
  for (const secret of secrets) if (secret !== undefined) known.add(secret);
  const oldest = [...known].slice(0, Math.max(0, known.size - MOST_KNOWN));
  for (const secret of oldest) known.delete(secret);
}

/** How secrets stand in the answers that hand them out. */
const HANDED_OUT = [
  /"clientSecret":"([^"]+)"/g,
  /--oidc-client-secret=([A-Za-z0-9_-]+)/g,
  /--token ([a-z0-9]{6}\.[a-z0-9]{16})/g,
];

/** Remembers what an answer hands out. */
export function learnFrom(text: string): void {
  learn(...HANDED_OUT.flatMap((look) => Array.from(text.matchAll(look), ([, secret]) => secret)));
}

/** Every secret that stands in a text. */
export const secretsIn = (text: string): string[] => [
  ...LOOKS.flatMap((look) => look.exec(text)?.[0] ?? []),
  ...[...known].filter((secret) => text.includes(secret)),
];

/** Holds a text to there being none. @param where it is, for whoever reads of a failure */
export function expectNoSecrets(text: string, where: string): void {
  const found = secretsIn(text);
  if (found.length > 0) throw new Error(`${where} tells a secret: ${found.join(", ")}`);
}
