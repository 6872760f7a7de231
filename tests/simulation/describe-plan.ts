import { formatAddress, formatDuration } from '@oxmem/tloe-protocol';
import { describeFaults } from '@oxmem/tloe-protocol/testing';
import type { DriverPlan, Happening, Operation, SimulationPlan } from './plan.ts';

/** The plan for people, some lines of text. */
export function describePlan(plan: SimulationPlan): string[] {
  const { endpoint } = plan;
  const habits = endpoint.habits.length > 0 ? ` with ${endpoint.habits.join(', ')}` : '';
  return [
    `endpoint ${endpoint.peer}${habits}, memory at ${formatAddress(endpoint.base)}, data order ` +
      `${endpoint.dataOrder}, MTU ${endpoint.mtuBytes}, first number ${endpoint.firstSequenceNumber}`,
    `  window ${endpoint.windowFrames}, grants 2^${endpoint.grantExponents.slice(1).join(' 2^')}, ` +
      `accesses up to ${endpoint.maxAccessBytes} B, room for ${endpoint.receiveFrames} frames`,
    `  denies ${percent(endpoint.denyChance)}, spoils ${percent(endpoint.spoilChance)}; ` +
      `sends with ${describeFaults(endpoint.faults)}`,
    ...plan.drivers.flatMap(describeDriver),
    ...plan.happenings.map((happening) => `happens at ${describeHappening(happening)}`),
    `faults end at ${formatDuration(plan.faultsEndAt)}; corruption: ${plan.corruption}; ` +
      (plan.mustSucceed ? 'every operation must succeed' : 'operations may fail'),
  ];
}

function describeDriver(driver: DriverPlan, index: number): string[] {
  const timeout = formatDuration(driver.requestTimeoutMicros);
  return [
    `driver ${index}: ${driver.sizeBytes} B, ${driver.window} accesses up to ` +
      `2^${driver.maxAccessLog2} B, window ${driver.windowFrames}, time-out ${timeout}, ` +
      `when lost: ${driver.whenLost}`,
    `  grants D 2^${driver.grantExponents[4]}, room for ${driver.receiveFrames} frames, wire ` +
      `${driver.rateBytesPerSecond} B/s with a queue of ${driver.queueFrames}; ` +
      `sends with ${describeFaults(driver.faults)}`,
    ...driver.clients.map(
      ({ depth, operations }, client) =>
        `  client ${client}, ${depth} at a time: ${describeOperations(operations)}`,
    ),
  ];
}

function describeOperations(operations: readonly Operation[]): string {
  const shown = operations.slice(0, MOST_SHOWN).map(({ kind, offset, length, pauseMicros }) => {
    const after = pauseMicros > 0 ? ` after ${formatDuration(pauseMicros)}` : '';
    return `${kind} ${offset}+${length}${after}`;
  });
  const rest = operations.length - shown.length;
  return `${shown.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

function describeHappening(happening: Happening): string {
  const { kind, at, ...rest } = happening;
  const details = Object.entries(rest).map(([name, value]) => {
    const text = name === 'forMicros' ? formatDuration(Number(value)) : String(value);
    return `${name} ${text}`;
  });
  return `${formatDuration(at)}: ${[kind, ...details].join(', ')}`;
}

function percent(chance: number): string {
  return `${(100 * chance).toFixed(1)} %`;
}

const MOST_SHOWN = 12;
