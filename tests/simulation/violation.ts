/**
 * The invariants of a run, by number, and where each is checked. A run ends at the first that does
 * not hold.
 */
export const INVARIANTS = {
  1: { name: 'data', check: 'nbd-client.ts #settle, run-plan.ts #readBack, memory-check.ts' },
  2: { name: 'exactly once, in order', check: 'wire-audit.ts: numbers, resends, order of answers' },
  3: { name: 'credits', check: 'wire-audit.ts: spent and granted; run-plan.ts #checkQuiet' },
  4: { name: 'window', check: 'wire-audit.ts: frames outstanding; driver-side.ts checkStep' },
  5: {
    name: 'liveness',
    check: 'nbd-client.ts: each answered in time; run-plan.ts: ends, is quiet',
  },
  6: { name: 'deadlines', check: 'machine.ts: alarms; driver-side.ts checkStep' },
  7: { name: 'resources', check: 'driver-side.ts checkIdle, at quiescence and after the close' },
  8: { name: 'determinism', check: 'run-twice.ts: the same hash of everything that happened' },
  9: { name: 'shutdown', check: 'run-plan.ts #closeAll and #checkClosed' },
  10: {
    name: 'block side',
    check: 'nbd-client.ts: cookies; memory-oracle: no old write lands late',
  },
  11: { name: 'peers', check: 'driver-side.ts: the profile that a peer is given' },
} as const;

export type InvariantNumber = keyof typeof INVARIANTS;

/** An invariant that did not hold. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: InvariantNumber;

  constructor(invariant: InvariantNumber, what: string, options?: ErrorOptions) {
    super(`invariant ${invariant} (${INVARIANTS[invariant].name}): ${what}`, options);
    this.invariant = invariant;
  }
}

/** Fails the run if `holds` is false; `what` is only called then. */
export function invariant(number: InvariantNumber, holds: boolean, what: () => string): void {
  if (!holds) throw new Violation(number, what());
}
