/** What every operation takes first: the services it works with and who is asking. */

import { randomInt, randomUUID } from "node:crypto";
import { monotonicFactory } from "ulid";
import type { Credentials } from "./access/token.ts";
import type { AppError } from "./errors.ts";
import { type PageIndexLimits, pageIndexLimits } from "./listing/limits.ts";
import type { Provisioner } from "./provisioning/provisioner.ts";
import type { Table } from "./table/client.ts";

/** What the server draws. Given from outside, so that two runs can be compared to the byte. */
export interface Draw {
  /** A new uuid. */
  identity(): string;
  /** A new numeric id below 2^52, which every JSON reader keeps exactly. */
  number(): number;
  /** A sortable text that tells events of one millisecond apart. @param at milliseconds since the epoch */
  ulid(at: number): string;
}

/** The hosting pool of the control plane: configuration, not a node pool. */
export interface HostingPool {
  readonly id: number;
  readonly name: string;
}

/** What operations work with, the same for every request. */
export interface Services {
  readonly table: Table;
  readonly clock: () => Date;
  readonly draw: Draw;
  readonly provisioner: Provisioner;
  readonly hostingPool: HostingPool;
  readonly pageIndex: PageIndexLimits;
}

/** One request: who asks, from where, and what became of it. */
export interface Context extends Services {
  readonly requestId: string;
  /** The caller's address; undefined where the transport has none. */
  readonly sourceAddress: string | undefined;
  /** What the token's text says; undefined where there is none, or none of ours. */
  readonly credentials: Credentials | undefined;
  /**
   * What is wrong with the request as it arrived (content type, size, JSON). Told only to callers whose token is good, so
   * it travels to where the token is checked.
   */
  readonly refusal: AppError | undefined;
  /** Properties and query parameters that were not understood. Operations add to it; the transport warns of them. */
  readonly ignored: string[];
}

/** Who is asking, once the token proved it. */
export interface Actor {
  readonly user: string;
  readonly tokenId: string;
}

/** Random identities, numbers and ulids. */
export function randomDraw(): Draw {
  const ulid = monotonicFactory();
  return {
    identity: randomUUID,
    // randomInt takes a span below 2^48; two draws make 52 bits. Zero is no id.
    number: () => randomInt(2 ** 26) * 2 ** 26 + randomInt(1, 2 ** 26),
    ulid,
  };
}

/** Services with what they default to. @param given at least the table and the provisioner */
export function servicesWith(given: Pick<Services, "table" | "provisioner"> & Partial<Services>): Services {
  return {
    clock: () => new Date(),
    draw: randomDraw(),
    hostingPool: { id: 1, name: "default" },
    pageIndex: pageIndexLimits,
    ...given,
  };
}
