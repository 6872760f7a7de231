/**
 * Arithmetic and logical operations on one operand of 1, 2, 4 or 8 bytes. TileLink 1.8.0 §7.
 * Rare, and therefore with BigInt.
 */

/** Parameters of ArithmeticData, by number. */
const ARITHMETIC: readonly ((a: bigint, b: bigint, bits: number) => bigint)[] = [
  (a, b, bits) => (BigInt.asIntN(bits, a) < BigInt.asIntN(bits, b) ? a : b),
  (a, b, bits) => (BigInt.asIntN(bits, a) > BigInt.asIntN(bits, b) ? a : b),
  (a, b) => (a < b ? a : b),
  (a, b) => (a > b ? a : b),
  (a, b, bits) => BigInt.asUintN(bits, a + b),
];

/** Parameters of LogicalData, by number. */
const LOGICAL: readonly ((a: bigint, b: bigint) => bigint)[] = [
  (a, b) => a ^ b,
  (a, b) => a | b,
  (a, b) => a & b,
  (_, b) => b,
];

/**
 * The value that memory holds afterwards.
 *
 * @param kind    which of the two messages
 * @param param   0-4 for arithmetic (MIN, MAX, MINU, MAXU, ADD), 0-3 for logical (XOR, OR, AND, SWAP)
 * @param values  memory and operand, unsigned, and their width in bits
 * @returns undefined if the parameter is not defined
 */
export function atomicResult(
  kind: 'arithmetic' | 'logical',
  param: number,
  values: { memory: bigint; operand: bigint; bits: number },
): bigint | undefined {
  const table = kind === 'arithmetic' ? ARITHMETIC : LOGICAL;
  return table[param]?.(values.memory, values.operand, values.bits);
}
