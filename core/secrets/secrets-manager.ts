/** Reads a secret of the operator from AWS Secrets Manager. */

import {
  GetSecretValueCommand,
  SecretsManagerClient,
  type SecretsManagerClientConfig,
} from "@aws-sdk/client-secrets-manager";

/** Timeout of one attempt of a call, in milliseconds. */
const REQUEST_TIMEOUT_MS = 2_000;

/**
 * Creates the reader of one version of a secret. It connects at the first call, and keeps the text, because a version never
 * changes. A failed call can be repeated.
 *
 * @param secretId ARN of the secret
 * @param versionId version of the secret
 * @param client client options, such as endpoint and credentials
 * @returns reads the secret's text; throws Error with only the name of the error of Secrets Manager
 */
export function createSecretReader(
  secretId: string,
  versionId: string,
  client: SecretsManagerClientConfig = {},
): () => Promise<string> {
  const connect = () =>
    new SecretsManagerClient({
      maxAttempts: 3,
      requestHandler: {
        connectionTimeout: REQUEST_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        throwOnRequestTimeout: true,
      },
      ...client,
    });
  let secrets: SecretsManagerClient | undefined;
  let known: string | undefined;
  return async () => {
    if (known !== undefined) return known;
    try {
      secrets ??= connect();
      const { SecretString } = await secrets.send(
        new GetSecretValueCommand({ SecretId: secretId, VersionId: versionId }),
      );
      if (SecretString === undefined) throw new Error("the secret has no text");
      known = SecretString;
      return SecretString;
    } catch (error) {
      // Messages of Secrets Manager name the secret and the caller, and this error is shown to users.
      const kind = error instanceof Error ? error.name : "an unknown error";
      throw new Error(`The secret store did not return the secret: ${kind}`, { cause: error });
    }
  };
}
