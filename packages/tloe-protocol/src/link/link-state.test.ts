import { describe, expect, it } from 'vitest';

import { LINK_STATES, nextLinkState, type LinkState, type LinkTransition } from './link-state.ts';

const TRANSITIONS = [
  'openCalled',
  'openReceived',
  'openConfirmed',
  'closeCalled',
  'closeReceived',
  'closeConfirmed',
  'closeTimedOut',
] as const satisfies readonly LinkTransition[];

/** Every pair, in the order of `TRANSITIONS`; `-` is illegal. A change of the table shows here. */
const TABLE: Readonly<Record<LinkState, readonly (LinkState | '-')[]>> = {
  idle: ['opening', 'open', '-', 'closed', '-', '-', '-'],
  opening: ['-', '-', 'open', 'closed', 'closed', '-', '-'],
  open: ['-', 'open', '-', 'closing', 'closing', '-', '-'],
  closing: ['-', 'open', '-', '-', 'closed', 'closed', 'closed'],
  closed: ['-', 'open', '-', 'closed', '-', '-', '-'],
};

const states = Object.keys(TABLE) as LinkState[];
const pairs = states.flatMap((state) =>
  TRANSITIONS.map((transition, i) => ({ state, transition, next: TABLE[state][i]! })),
);

describe('the table of link states', () => {
  it('has every state, and no transition that is not listed here', () => {
    expect(Object.keys(LINK_STATES).toSorted()).toEqual(states.toSorted());
    for (const row of Object.values(LINK_STATES)) {
      for (const transition of Object.keys(row)) expect(TRANSITIONS).toContain(transition);
    }
  });

  it.each(pairs)('$state, $transition: $next', ({ state, transition, next }) => {
    expect(nextLinkState(state, transition) ?? '-').toBe(next);
  });

  it('leads from every state to closed, and from closed to a new connection', () => {
    for (const from of states) expect(reachable(from)).toContain('closed');
    expect(reachable('closed')).toContain('open');
  });
});

/** The states that can follow `from` in any number of steps. */
function reachable(from: LinkState): LinkState[] {
  const found = new Set<LinkState>([from]);
  for (const state of found) {
    for (const next of Object.values(LINK_STATES[state])) found.add(next);
  }
  return [...found];
}
