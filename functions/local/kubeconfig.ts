/** Reads the kubeconfig of the management cluster from its file. */

import { AppError, errorText } from "#core/shared/errors.ts";
import type { Config } from "#functions/runtime/config.ts";
import { readOperatorFile } from "../runtime/operator-file.ts";

/**
 * Reads the kubeconfig. Each call reads the file, because it may be replaced while the server runs.
 *
 * @throws AppError invalid with the path of a file that cannot be read
 */
export async function readKubeconfig({ CLUSTER_API_KUBECONFIG: path = "" }: Config): Promise<string> {
  try {
    return readOperatorFile(path);
  } catch (error) {
    throw new AppError("invalid", "config.invalid", [`CLUSTER_API_KUBECONFIG: ${path}: ${errorText(error)}`]);
  }
}
