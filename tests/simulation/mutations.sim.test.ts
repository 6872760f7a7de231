import { describe, expect, it } from 'vitest';
import { MUTATIONS } from './mutations.ts';
import { mutated, mutatedFile, plantMutations, type MutationResult } from './plant-mutation.ts';

/** Planted here; all others by `pnpm sim:mutations`. */
const CHEAP = ['drop-a-credit-return', 'accept-a-duplicate'];

describe('the planted bugs', () => {
  it.each(MUTATIONS)('$name: the patch still applies', (mutation) => {
    expect(mutatedFile(mutation)).toContain(mutation.replace);
  });

  it('have names of their own', () => {
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
  });

  it('are refused loudly when the text is not there, or there twice', () => {
    const mutation = { ...MUTATIONS[0]!, find: 'x' };
    expect(() => mutated(mutation, 'abc')).toThrow('stands 0 times');
    expect(() => mutated(mutation, 'axbxc')).toThrow('stands 2 times');
  });

  it(`are found: ${CHEAP.join(' and ')}`, async () => {
    const results: MutationResult[] = [];
    const cheap = MUTATIONS.filter(({ name }) => CHEAP.includes(name));
    await plantMutations(cheap, (result) => results.push(result));
    expect(results).toHaveLength(CHEAP.length);
    for (const { found } of results) expect(found).toMatch(/^seed \d+: Violation: invariant/);
  }, 300_000);
});
