/** Replaces the SDK's reader of `~/.aws/config` and `~/.aws/credentials`, which do not exist on Lambda: settings come from the environment. */

/** What separates the parts of a section's name in such a file. */
export const CONFIG_PREFIX_SEPARATOR = ".";

/** Returns what the SDK's reader returns where neither file exists. */
export const loadSharedConfigFiles = (): Promise<{ configFile: object; credentialsFile: object }> =>
  Promise.resolve({ configFile: {}, credentialsFile: {} });
