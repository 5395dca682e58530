/** Rules for the subnets of a cluster. Pure functions. */

import type { Problem } from "../../shared/errors.ts";
import { overlap, overlappedSpecialRange, parseCidr } from "../../shared/ip.ts";
import { formatValue, type Validated } from "../../shared/validation.ts";
import type { CreateCluster } from "../schema.ts";

/** Default subnet for pods. Both defaults are the same as in Kubernetes and do not overlap. */
export const DEFAULT_POD_SUBNET = "10.244.0.0/16";
/** Default subnet for services. */
export const DEFAULT_SERVICE_SUBNET = "10.96.0.0/12";

/** Prefix lengths of the largest and the smallest subnet for pods or services. */
const SUBNET_BITS = { least: 12, most: 24 };

/** Properties with a subnet. */
export const subnets = ["clusterPodSubnet", "serviceSubnet"] as const;

type Subnet = (typeof subnets)[number];

/** Returns the path of a subnet as sent: in an object, or as plain text. */
export const subnetPath = ({ value, shorthands }: Validated<CreateCluster>, name: Subnet): string =>
  value?.[name] === undefined || shorthands.has(name) ? name : `${name}.ipRange`;

/**
 * Finds the problems of the subnets of a new cluster beyond their shape.
 *
 * @param request parsed request
 * @param faulty paths that already have a problem
 */
export function subnetProblems(request: Validated<CreateCluster>, faulty: ReadonlySet<string>): Problem[] {
  const ranges = [
    ["clusterPodSubnet", request.value?.clusterPodSubnet?.ipRange ?? DEFAULT_POD_SUBNET],
    ["serviceSubnet", request.value?.serviceSubnet?.ipRange ?? DEFAULT_SERVICE_SUBNET],
  ] as const;
  const problems = ranges.flatMap(([name, text]) => rangeProblems(subnetPath(request, name), text));
  if (problems.length > 0 || subnets.some((name) => faulty.has(name))) return problems;
  const [pods, services] = ranges.map(([, text]) => parseCidr(text));
  if (pods === undefined || services === undefined || typeof pods === "string" || typeof services === "string")
    return [];
  if (!overlap(pods, services)) return [];
  // Report the subnet that was sent, because only that one can be changed.
  const [[name, text], other] = request.value?.serviceSubnet === undefined ? ranges : [ranges[1], ranges[0]];
  const message = `${formatValue(text)} is not allowed: must not overlap ${subnetPath(request, other[0])}, which is ${other[1]}`;
  return [{ path: subnetPath(request, name), message }];
}

/** Finds the problems of one subnet. */
function rangeProblems(path: string, text: string): Problem[] {
  const block = parseCidr(text);
  if (typeof block === "string") return [];
  const { least, most } = SUBNET_BITS;
  if (block.address.version !== 4 || block.bits < least || block.bits > most) {
    return [{ path, message: `${formatValue(text)} is not allowed: must be IPv4 from /${least} to /${most}` }];
  }
  const special = overlappedSpecialRange(block);
  if (special === undefined) return [];
  const message = `${formatValue(text)} is not allowed: must not overlap ${special.text} (${special.use}), in which Kubernetes serves no endpoints`;
  return [{ path, message }];
}
