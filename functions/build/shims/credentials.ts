/** What stands in for the SDK's chain of credential providers in a bundle: on Lambda they are in the environment. */

/** Credentials as the SDK takes them. */
interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/**
 * Makes the provider that the SDK's clients ask for credentials when they are given none.
 *
 * @returns reads the environment; rejects where it holds no credentials
 */
export function defaultProvider(): () => Promise<Credentials> {
  return async () => {
    const {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    } = process.env;
    if (accessKeyId === undefined || secretAccessKey === undefined) {
      throw new Error("the environment holds no AWS credentials");
    }
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  };
}
