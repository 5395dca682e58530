/** Simulated provisioner: reports the phases and delays of a real one, and injects faults on request. */

import { setTimeout as sleep } from "node:timers/promises";
import { deadlineIn } from "../../shared/retry.ts";
import type { Table } from "../../table/client.ts";
import { keyText, simulationKey } from "../../table/keys.ts";
import { commit, Transaction } from "../../table/transaction.ts";
import { type Observation, OutdatedFenceError, type Plan, type Provisioner } from "../provisioner.ts";
import { applyDestroy, applyPlan, observe, readSimulation, type Simulation, simulationItem } from "./simulation.ts";
import { simulatedTraits } from "./traits.ts";

/** Call to the provisioner. */
interface ProvisionerCall {
  operation: "apply" | "observe" | "destroy";
  identity: string;
}

/** Fault of a call. */
export type ProvisionerFault =
  /** The call throws and has no effect. */
  | { kind: "fails"; message: string }
  /** The call takes effect and never returns. */
  | { kind: "hangs" }
  /** The call takes effect and returns after a delay, in milliseconds. */
  | { kind: "late"; ms: number }
  /** All resources of the cluster are lost before the call. */
  | { kind: "forgets" }
  /** The call has no effect and reports success; an observation returns this value. */
  | { kind: "lies"; observation?: Observation | undefined };

/** Options of a simulated provisioner. */
export interface SimulationOptions {
  table: Table;
  clock: () => Date;
  /** Duration of one step of building, in milliseconds. */
  stepMs: number;
  /** Returns the fault of a call. */
  faults?: (call: ProvisionerCall) => ProvisionerFault | undefined;
}

const outdated = (identity: string) => new Error(`a newer plan for cluster ${identity} was received before`);

/** Creates a provisioner whose clusters exist only in the table. */
export function simulatedProvisioner(options: SimulationOptions): Provisioner {
  const { table, clock, stepMs, faults = () => undefined } = options;

  /** State of each observation, so that a plan that follows from it does not read the state again. */
  const observed = new WeakMap<Observation, Simulation>();

  async function read(identity: string): Promise<Simulation | undefined> {
    const key = simulationKey(identity);
    const item = (await table.get([key])).get(keyText(key));
    return item && readSimulation(item);
  }

  /**
   * Changes a cluster. A change of nothing writes nothing.
   *
   * @param known state as read before; undefined to read it
   * @throws OutdatedFenceError; Error if another call changed the cluster at the same time
   */
  async function change(
    identity: string,
    fence: number,
    update: (before: Simulation | undefined) => Simulation | undefined,
    known?: Simulation,
  ): Promise<void> {
    const before = known ?? (await read(identity));
    if (before !== undefined && before.fence > fence) throw new OutdatedFenceError(identity, before.fence);
    const after = update(before);
    if (after === undefined || after === before) return;
    const transaction = new Transaction().put("simulation", simulationItem(identity, after), {
      condition: before === undefined ? "attribute_not_exists(#pk)" : "#fence = :fence",
      ...(before === undefined ? {} : { values: { ":fence": before.fence } }),
    });
    if ((await commit(table, transaction, deadlineIn())).length === 0) return;
    if (known === undefined) throw outdated(identity);
    await change(identity, fence, update);
  }

  async function forget(identity: string): Promise<void> {
    await commit(table, new Transaction().delete("simulation", simulationKey(identity)), deadlineIn());
  }

  /** Makes a call with its fault. @param lie returns the result of a call that only reports success */
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
      const update = (before: Simulation | undefined) => applyPlan(before, plan, clock().getTime(), stepMs);
      const known = plan.observation && observed.get(plan.observation);
      const work = () => change(identity, plan.fence, update, known);
      return call({ operation: "apply", identity }, signal, work, nothing);
    },
    observe({ cluster: { identity } }, signal) {
      const work = async () => {
        const simulation = await read(identity);
        const observation = simulation && observe(identity, simulation, clock().getTime(), stepMs);
        if (observation !== undefined && simulation !== undefined) observed.set(observation, simulation);
        return observation;
      };
      return call({ operation: "observe", identity }, signal, work, (observation) => observation);
    },
    destroy({ cluster: { identity } }, fence, signal) {
      const work = async () => {
        await change(identity, fence, (before) => applyDestroy(before, fence, clock().getTime()));
        return true;
      };
      return call({ operation: "destroy", identity }, signal, work, () => true);
    },
  };
}
