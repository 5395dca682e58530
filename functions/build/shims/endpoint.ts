/**
 * Replaces the endpoint rules of the SDK's clients: they cover cases that no function needs, and are a thirtieth of a bundle.
 */

/** Used parameters of the rules. */
interface Parameters {
  Region?: string;
  /** URL of another engine. */
  Endpoint?: string;
  UseFIPS?: boolean;
  UseDualStack?: boolean;
}

/**
 * Creates the endpoint resolver of a service. It throws an Error without a region, or for a kind of endpoint that is not in the
 * bundle.
 *
 * @param service service name in host names
 */
export const resolverFor =
  (service: string) =>
  ({ Region, Endpoint, UseFIPS, UseDualStack }: Parameters): { url: URL } => {
    if (UseFIPS === true || UseDualStack === true) {
      throw new Error("FIPS and dual-stack endpoints are not in this bundle");
    }
    if (Endpoint !== undefined) return { url: new URL(Endpoint) };
    if (Region === undefined) throw new Error("no AWS region is set");
    return { url: new URL(`https://${service}.${Region}.amazonaws.com${Region.startsWith("cn-") ? ".cn" : ""}`) };
  };
