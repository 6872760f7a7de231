/** The dialogues of the check against every endpoint that can be played. */
import { readFileSync } from 'node:fs';
import { ENDPOINT_PERSONAS, HABIT_FAULTS, type MemoryEndpointOptions } from '@oxmem/sim-endpoint';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../src/check/verdict.ts';
import { SCENARIOS } from '../src/index.ts';
import { VirtualCheck } from './virtual-check.ts';

/** What does not pass, by scenario. */
type Findings = Partial<Record<Outcome, string[]>>;

const ENDPOINTS: readonly (readonly [string, Partial<MemoryEndpointOptions>])[] = [
  ['oxmem', {}],
  ...Object.keys(ENDPOINT_PERSONAS).map(
    (persona) => [persona, { persona: persona as keyof typeof ENDPOINT_PERSONAS }] as const,
  ),
  ...Object.keys(HABIT_FAULTS).map(
    (habit) => [`habit=${habit}`, { faults: [`habit=${habit}`] }] as const,
  ),
];

/** The table of docs/peers.md. */
const EXPECTED: ReadonlyMap<string, Findings> = readExpected();

function readExpected(): Map<string, Findings> {
  const document = readFileSync(new URL('../../../docs/peers.md', import.meta.url), 'utf8');
  const section = document.split('## What `oxmem-tloe check` finds')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  const namesOf = (cell = ''): string[] => cell.split(',').map((name) => name.trim());
  return new Map(
    rows.slice(2).map((row) => {
      const [endpoint = '', fails, lacks] = row.split('|').slice(1, -1);
      const known = (cell?: string): string[] => namesOf(cell).filter((name) => name !== '');
      return [endpoint.trim(), { fail: known(fails), 'not-supported': known(lacks) }];
    }),
  );
}

describe.each(ENDPOINTS)('the endpoint %s', (name, options) => {
  it('fails and lacks what docs/peers.md says, each dialogue alone', async () => {
    const found: Required<Omit<Findings, 'pass'>> = { fail: [], 'not-supported': [] };
    for (const scenario of SCENARIOS) {
      const { outcome } = await new VirtualCheck(options).play(scenario);
      if (outcome !== 'pass') found[outcome].push(scenario.name);
    }
    expect(found).toEqual(EXPECTED.get(name));
  });
});

describe('a whole run', () => {
  it.each(['oxmem', 'plain', 'wdhw', 'habit=no-nak', 'habit=leak', 'habit=lost-opening'])(
    'finds the same of %s over one connection after the other',
    async (name) => {
      const check = new VirtualCheck(new Map(ENDPOINTS).get(name) ?? {});
      expect(await check.begin()).toBe(true);
      const found: Required<Omit<Findings, 'pass'>> = { fail: [], 'not-supported': [] };
      for (const scenario of SCENARIOS) {
        const { outcome } = await check.play(scenario);
        if (outcome !== 'pass') found[outcome].push(scenario.name);
      }
      expect(found).toEqual(EXPECTED.get(name));
    },
  );

  it.each(['memnode', 'etri', 'wdhw-103'])(
    'of %s comes to its end, whatever that endpoint does',
    async (name) => {
      const check = new VirtualCheck(new Map(ENDPOINTS).get(name) ?? {});
      expect(await check.begin()).toBe(true);
      for (const scenario of SCENARIOS) await check.play(scenario);
      await check.finish();
    },
  );
});
