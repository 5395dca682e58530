/** Reads the kubeconfig of the management cluster from its file. */

import { readFile } from "node:fs/promises";
import { AppError, errorText } from "#core/shared/errors.ts";
import type { Config } from "#functions/runtime/config.ts";

/**
 * Reads the kubeconfig. Each call reads the file, because it may be replaced while the server runs.
 *
 * @throws AppError invalid with the path of a file that cannot be read
 */
export async function readKubeconfig({ CLUSTER_API_KUBECONFIG: path = "" }: Config): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const problem = `CLUSTER_API_KUBECONFIG: ${path} cannot be read: ${errorText(error)}`;
    throw new AppError("invalid", "config.invalid", [problem]);
  }
}
