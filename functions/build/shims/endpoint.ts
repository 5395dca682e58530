/**
 * What stands in for the rules by which a client finds its endpoint: they cover what no function of ours asks for, and are a
 * thirtieth of a bundle.
 */

/** As much of the rules' parameters as decides here. */
interface Parameters {
  Region?: string;
  /** An engine of one's own. */
  Endpoint?: string;
  UseFIPS?: boolean;
  UseDualStack?: boolean;
}

/**
 * Makes what finds a service's endpoint. That throws an Error where no region is known, or a kind of endpoint is asked for
 * that is not in here.
 *
 * @param service as hosts name it
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
