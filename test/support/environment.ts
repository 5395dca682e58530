/** Sets environment variables of the process temporarily. Files of one worker share it, so each must restore it. */

/**
 * Saves the environment.
 *
 * @returns a function that restores it. It changes the object in place, because existing references would not see a new object
 */
export function saveEnvironment(): () => void {
  const before = { ...process.env };
  return () => {
    for (const name of Object.keys(process.env)) if (!Object.hasOwn(before, name)) delete process.env[name];
    Object.assign(process.env, before);
  };
}
