/** Setting the process's environment for a while. Files of one worker share it, so each has to leave it as it was. */

/**
 * Remembers the environment.
 *
 * @returns what makes it as it was. In place: another object in its place would be seen by some and not by others
 */
export function keepEnvironment(): () => void {
  const before = { ...process.env };
  return () => {
    for (const name of Object.keys(process.env)) if (!Object.hasOwn(before, name)) delete process.env[name];
    Object.assign(process.env, before);
  };
}
