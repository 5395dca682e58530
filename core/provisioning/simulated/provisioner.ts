/** A provisioner that builds nothing, in the order and with the delays of one that does, and with faults on demand. */

import { setTimeout as sleep } from "node:timers/promises";
import { deadlineIn } from "../../shared/retry.ts";
import type { Table } from "../../table/client.ts";
import { keyText, simulationKey } from "../../table/keys.ts";
import { commit, Transaction } from "../../table/transaction.ts";
import type { Observation, Plan, Provisioner } from "../provisioner.ts";
import { applyDestroy, applyPlan, observe, readSimulation, type Simulation, simulationItem } from "./simulation.ts";
import { simulatedTraits } from "./traits.ts";

/** One call to the provisioner. */
export interface ProvisionerCall {
  operation: "apply" | "observe" | "destroy";
  identity: string;
}

/** What goes wrong with a call. */
export type ProvisionerFault =
  /** It throws and has no effect. */
  | { kind: "fails"; message: string }
  /** It has its effect, and its answer never comes. */
  | { kind: "hangs" }
  /** It has its effect, and its answer comes after so many milliseconds. */
  | { kind: "late"; ms: number }
  /** Everything of the cluster is gone before it begins. */
  | { kind: "forgets" }
  /** It has no effect and says that it had; observing gives this. */
  | { kind: "lies"; observation?: Observation | undefined };

/** What a simulated provisioner is made with. */
export interface SimulationOptions {
  table: Table;
  clock: () => Date;
  /** How long one step of building takes, in milliseconds. */
  stepMs: number;
  /** Asked for every call. */
  faults?: (call: ProvisionerCall) => ProvisionerFault | undefined;
}

/** A plan older than one that was seen already. */
const outdated = (identity: string) => new Error(`a newer plan for ${identity} was seen before`);

/** Makes a provisioner whose clusters exist in the table alone. */
export function simulatedProvisioner(options: SimulationOptions): Provisioner {
  const { table, clock, stepMs, faults = () => undefined } = options;

  async function read(identity: string): Promise<Simulation | undefined> {
    const key = simulationKey(identity);
    const item = (await table.get([key])).get(keyText(key));
    return item && readSimulation(item);
  }

  /** Changes a cluster, unless somebody with a higher fence was there before. */
  async function change(
    identity: string,
    fence: number,
    become: (before: Simulation | undefined) => Simulation | undefined,
  ): Promise<void> {
    const before = await read(identity);
    if (before !== undefined && before.fence > fence) throw outdated(identity);
    const after = become(before);
    if (after === undefined || after === before) return;
    const transaction = new Transaction().put("simulation", simulationItem(identity, after), {
      condition: before === undefined ? "attribute_not_exists(#pk)" : "#fence = :fence",
      ...(before === undefined ? {} : { values: { ":fence": before.fence } }),
    });
    if ((await commit(table, transaction, deadlineIn())).length > 0) throw outdated(identity);
  }

  async function forget(identity: string): Promise<void> {
    await commit(table, new Transaction().delete("simulation", simulationKey(identity)), deadlineIn());
  }

  /** Does a call as its fault has it. @param lie what is answered instead, where the fault is a lie */
  async function call<T>(
    given: ProvisionerCall,
    signal: AbortSignal,
    work: () => Promise<T>,
    lie: (observation: Observation | undefined) => T,
  ): Promise<T> {
    const fault = faults(given);
    if (fault?.kind === "fails") throw new Error(fault.message);
    if (fault?.kind === "lies") return lie(fault.observation);
    if (fault?.kind === "forgets") await forget(given.identity);
    const done = await work();
    if (fault?.kind === "late") await sleep(fault.ms, undefined, { signal });
    if (fault?.kind === "hangs") return await new Promise<never>(() => {});
    return done;
  }

  const nothing = () => {};
  return {
    ...simulatedTraits,
    pollMs: stepMs,
    apply(plan: Plan, signal) {
      const { identity } = plan.cluster;
      const work = () => change(identity, plan.fence, (before) => applyPlan(before, plan, clock().getTime(), stepMs));
      return call({ operation: "apply", identity }, signal, work, nothing);
    },
    observe(identity, signal) {
      const work = async () => {
        const world = await read(identity);
        return world && observe(identity, world, clock().getTime(), stepMs);
      };
      return call({ operation: "observe", identity }, signal, work, (observation) => observation);
    },
    destroy(identity, fence, signal) {
      const work = () => change(identity, fence, (before) => applyDestroy(before, fence, clock().getTime()));
      return call({ operation: "destroy", identity }, signal, work, nothing);
    },
  };
}
