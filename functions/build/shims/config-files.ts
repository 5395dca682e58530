/** Replaces the SDK's reader of `~/.aws/config` and `~/.aws/credentials`, which do not exist on Lambda: settings are in the environment. */

/** Separator of the parts of a section's name in such a file. */
export const CONFIG_PREFIX_SEPARATOR = ".";

/** Returns the result of the SDK's reader if neither file exists. */
export const loadSharedConfigFiles = (): Promise<{ configFile: object; credentialsFile: object }> =>
  Promise.resolve({ configFile: {}, credentialsFile: {} });
