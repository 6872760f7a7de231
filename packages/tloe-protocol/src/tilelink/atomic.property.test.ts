import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { atomicResult } from './atomic.ts';

const ARITHMETIC = ['MIN', 'MAX', 'MINU', 'MAXU', 'ADD'] as const;
const LOGICAL = ['XOR', 'OR', 'AND', 'SWAP'] as const;
type Operation = (typeof ARITHMETIC)[number] | (typeof LOGICAL)[number];

/** The machine's own integers of each width, signed and unsigned over the same bytes. */
function wordsOf(bits: number): {
  signed: (value: bigint) => bigint;
  wrap: (value: bigint) => bigint;
} {
  const view = new DataView(new ArrayBuffer(8));
  const store = (value: bigint): void => view.setBigUint64(0, value, true);
  const read = {
    8: { signed: () => view.getInt8(0), wrap: () => view.getUint8(0) },
    16: { signed: () => view.getInt16(0, true), wrap: () => view.getUint16(0, true) },
    32: { signed: () => view.getInt32(0, true), wrap: () => view.getUint32(0, true) },
    64: { signed: () => view.getBigInt64(0, true), wrap: () => view.getBigUint64(0, true) },
  }[bits]!;
  const after =
    (get: () => number | bigint) =>
    (value: bigint): bigint => {
      store(value);
      return BigInt(get());
    };
  return { signed: after(read.signed), wrap: after(read.wrap) };
}

/** Bit by bit, as a person would do it. */
function bitwise(a: bigint, b: bigint, rule: (x: string, y: string) => boolean): bigint {
  const digits = (value: bigint): string[] => value.toString(2).padStart(64, '0').split('');
  const other = digits(b);
  const result = digits(a).map((x, i) => (rule(x, other[i]!) ? '1' : '0'));
  return BigInt(`0b${result.join('')}`);
}

function naive(operation: Operation, memory: bigint, operand: bigint, bits: number): bigint {
  const { signed, wrap } = wordsOf(bits);
  switch (operation) {
    case 'MIN':
      return signed(memory) <= signed(operand) ? memory : operand;
    case 'MAX':
      return signed(memory) >= signed(operand) ? memory : operand;
    case 'MINU':
      return memory <= operand ? memory : operand;
    case 'MAXU':
      return memory >= operand ? memory : operand;
    case 'ADD':
      return wrap(memory + operand);
    case 'XOR':
      return bitwise(memory, operand, (x, y) => x !== y);
    case 'OR':
      return bitwise(memory, operand, (x, y) => x === '1' || y === '1');
    case 'AND':
      return bitwise(memory, operand, (x, y) => x === '1' && y === '1');
    case 'SWAP':
      return operand;
  }
}

const cases = [
  ...ARITHMETIC.map((name, param) => ({ kind: 'arithmetic' as const, name, param })),
  ...LOGICAL.map((name, param) => ({ kind: 'logical' as const, name, param })),
].flatMap((each) => [8, 16, 32, 64].map((bits) => ({ ...each, bits })));

describe.each(cases)('$name (param $param) of $bits bits', ({ kind, name, param, bits }) => {
  const edges = [0n, 1n, 2n, 1n << BigInt(bits - 1), (1n << BigInt(bits - 1)) - 1n];
  const most = (1n << BigInt(bits)) - 1n;
  const number = fc.oneof(
    fc.constantFrom(...edges, most, most - 1n),
    fc.bigInt({ min: 0n, max: most }),
  );

  it('is what the machine computes', () => {
    fc.assert(
      fc.property(number, number, (memory, operand) => {
        const result = atomicResult(kind, param, { memory, operand, bits });
        expect(result).toBe(naive(name, memory, operand, bits));
      }),
      { numRuns: 300 },
    );
  });
});

it('is undefined for a parameter that is not defined', () => {
  const values = { memory: 1n, operand: 2n, bits: 8 };
  for (let param = 0; param < 16; param++) {
    expect(atomicResult('arithmetic', param, values) === undefined).toBe(param > 4);
    expect(atomicResult('logical', param, values) === undefined).toBe(param > 3);
  }
});
