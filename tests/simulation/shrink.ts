import { NO_FAULTS, type DirectionFaults } from '@oxmem/tloe-protocol/testing';
import type { ClientPlan, DriverPlan, Happening, SimulationPlan } from './plan.ts';

/** How a plan fails: undefined if it does not. Equal texts mean the same failure. */
export type FailureOf = (plan: SimulationPlan) => Promise<string | undefined>;

/** How much shrinking may cost. */
export interface ShrinkBudget {
  /** Plans tried at most: with the same budget the result is the same. */
  readonly runs: number;
  /** Asked before each try, for a limit in real time. */
  readonly isOver?: () => boolean;
}

/** A smaller plan that fails in the same way, and what finding it has cost. */
export interface Shrunk {
  readonly plan: SimulationPlan;
  readonly runs: number;
}

/**
 * Makes a failing plan smaller, as long as it fails in the same way: fewer drivers, fewer happenings,
 * fewer clients, fewer operations, fewer kinds of faults, shorter scripts, an earlier end of the
 * faults. Tries in a fixed order and draws no number, so the same plan always shrinks to the same.
 */
export async function shrink(
  plan: SimulationPlan,
  failureOf: FailureOf,
  budget: ShrinkBudget,
): Promise<Shrunk> {
  const failure = await failureOf(plan);
  let best = plan;
  let runs = 0;
  let hasShrunk = true;
  while (hasShrunk) {
    hasShrunk = false;
    for (const candidates of STEPS) {
      let index = 0;
      for (;;) {
        const candidate = candidates(best)[index];
        if (candidate === undefined) break;
        if (runs >= budget.runs || budget.isOver?.() === true) return { plan: best, runs };
        runs++;
        if ((await failureOf(candidate)) === failure) {
          best = candidate;
          hasShrunk = true;
        } else index++;
      }
    }
  }
  return { plan: best, runs };
}

/** The smaller plans of one kind, the boldest first. */
type Step = (plan: SimulationPlan) => SimulationPlan[];

const STEPS: readonly Step[] = [
  fewerDrivers,
  (plan) => without(plan.happenings).map((happenings) => ({ ...plan, happenings })),
  (plan) => inDrivers(plan, fewerClients),
  (plan) => inDrivers(plan, (driver) => inClients(driver, fewerOperations)),
  (plan) =>
    inDrivers(plan, (driver) => calmer(driver.faults).map((faults) => ({ ...driver, faults }))),
  (plan) =>
    calmer(plan.endpoint.faults).map((faults) => ({
      ...plan,
      endpoint: { ...plan.endpoint, faults },
    })),
  (plan) => inDrivers(plan, (driver) => inClients(driver, hastier)),
  soberer,
];

/** Takes drivers away, from the last on: the others keep their slices. */
function fewerDrivers(plan: SimulationPlan): SimulationPlan[] {
  if (plan.drivers.length < 2) return [];
  const last = plan.drivers.length - 1;
  const dropLast = {
    ...plan,
    drivers: plan.drivers.slice(0, last),
    happenings: plan.happenings.filter((each) => !('driver' in each) || each.driver < last),
  };
  const dropFirst = {
    ...plan,
    drivers: plan.drivers.slice(1),
    happenings: plan.happenings.flatMap(lessOne),
  };
  return [dropLast, dropFirst];
}

/** What happens to everybody but driver 0, who is gone. */
function lessOne(happening: Happening): Happening[] {
  if (!('driver' in happening) || happening.driver < 0) return [happening];
  return happening.driver === 0 ? [] : [{ ...happening, driver: happening.driver - 1 }];
}

function fewerClients(driver: DriverPlan): DriverPlan[] {
  if (driver.clients.length < 2) return [];
  return without(driver.clients).map((clients) => ({ ...driver, clients }));
}

function fewerOperations(client: ClientPlan): ClientPlan[] {
  return without(client.operations).map((operations) => ({ ...client, operations }));
}

/** Without pauses; with one operation at a time. */
function hastier(client: ClientPlan): ClientPlan[] {
  const smaller: ClientPlan[] = [];
  if (client.operations.some(({ pauseMicros }) => pauseMicros > 0)) {
    const operations = client.operations.map((each) => ({ ...each, pauseMicros: 0 }));
    smaller.push({ ...client, operations });
  }
  if (client.depth > 1) smaller.push({ ...client, depth: 1 });
  if (client.hasStructuredReplies) smaller.push({ ...client, hasStructuredReplies: false });
  return smaller;
}

/** One kind of fault less, or half of a script. */
function calmer(faults: DirectionFaults): DirectionFaults[] {
  const smaller: DirectionFaults[] = [];
  const fields = ['loss', 'bursts', 'duplicate', 'reorder', 'corrupt', 'jitterMicros'] as const;
  for (const field of fields) {
    if (faults[field] !== NO_FAULTS[field]) {
      smaller.push({ ...faults, [field]: NO_FAULTS[field] });
    }
  }
  return [...smaller, ...without(faults.script).map((script) => ({ ...faults, script }))];
}

/** Ordinary parameters instead of odd ones. */
function soberer(plan: SimulationPlan): SimulationPlan[] {
  const { endpoint } = plan;
  const changes: Partial<SimulationPlan['endpoint']>[] = [
    { firstSequenceNumber: 0 },
    { base: { high: 0, low: 0 } },
    { denyChance: 0 },
    { spoilChance: 0 },
    { mtuBytes: 1500 },
    { receiveFrames: 1000 },
  ];
  const smaller = changes
    .filter((change) => JSON.stringify({ ...endpoint, ...change }) !== JSON.stringify(endpoint))
    .map((change) => ({ ...plan, endpoint: { ...endpoint, ...change } }));
  const sooner = Math.floor(plan.faultsEndAt / 2);
  return sooner > 1000 ? [...smaller, { ...plan, faultsEndAt: sooner }] : smaller;
}

/** Every plan in which one driver is replaced by a smaller one. */
function inDrivers(
  plan: SimulationPlan,
  smaller: (driver: DriverPlan) => DriverPlan[],
): SimulationPlan[] {
  return plan.drivers.flatMap((driver, index) =>
    smaller(driver).map((each) => ({ ...plan, drivers: plan.drivers.with(index, each) })),
  );
}

function inClients(
  driver: DriverPlan,
  smaller: (client: ClientPlan) => ClientPlan[],
): DriverPlan[] {
  return driver.clients.flatMap((client, index) =>
    smaller(client).map((each) => ({ ...driver, clients: driver.clients.with(index, each) })),
  );
}

/** The list without its halves, its quarters and so on, down to single elements. */
function without<T>(list: readonly T[]): T[][] {
  const smaller: T[][] = [];
  for (let size = list.length; size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < list.length; from += size) {
      smaller.push([...list.slice(0, from), ...list.slice(from + size)]);
    }
  }
  return smaller;
}
