import { SECOND } from '@oxmem/tloe-protocol';
import { describe, expect, it } from 'vitest';
import type { EndpointPersonaName } from '../src/index.ts';
import { MATRIX_FAULTS, MatrixRun, type MatrixFault, type MatrixResult } from './peer-matrix.ts';

const first = Number(process.env['OXMEM_SEED'] ?? 1);
const count = Number(process.env['OXMEM_SEEDS'] ?? 3);

/**
 * Five time-outs of a request's own, and ten before that if its range is still that of a write which
 * was given up and might yet land; and the steps in which all this is looked at.
 */
const PROMISED = 20 * SECOND;

const PERSONAS: readonly (EndpointPersonaName | undefined)[] = [
  undefined,
  'memnode',
  'etri',
  'wdhw',
  'wdhw-103',
];

async function cell(
  persona: EndpointPersonaName | undefined,
  fault: MatrixFault,
  seed: number,
): Promise<MatrixResult> {
  const name = `${persona ?? 'oxmem'}, ${fault.name}, seed ${seed}`;
  try {
    return await new MatrixRun(persona, fault, seed).run();
  } catch (error) {
    throw new Error(`${name} (replay: OXMEM_SEED=${seed} OXMEM_SEEDS=1)`, { cause: error });
  }
}

describe.each(PERSONAS.map((persona) => ({ persona, name: persona ?? 'oxmem' })))(
  'our driver on $name',
  ({ persona }) => {
    it.each(MATRIX_FAULTS)('$name: right data or an error, in time', async (fault) => {
      for (let seed = first; seed < first + count; seed++) {
        const result = await cell(persona, fault, seed);
        const text = `seed ${seed} (replay: OXMEM_SEED=${seed} OXMEM_SEEDS=1)`;
        expect(result, text).toMatchObject({ wrong: [], harm: [] });
        expect(result.longestMicros, text).toBeLessThanOrEqual(PROMISED);
        if (!fault.mayFail) expect(result, text).toMatchObject({ isOpen: true, failed: 0 });
      }
    });
  },
);
