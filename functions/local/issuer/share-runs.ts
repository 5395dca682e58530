/** Combines calls of a function that writes the whole state, as a database combines commits. */

/**
 * Returns a function that runs the work after the call. At most one run is in progress. All calls during a run share the next one, which
 * fails for all of them if it fails.
 */
export function shareRuns(run: () => Promise<void>): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const start = () => {
    next = undefined;
    return run();
  };
  return () => {
    if (next === undefined) {
      // A failed run does not prevent the next one.
      next = last.then(start, start);
      last = next;
    }
    return next;
  };
}
