import { MAC_BYTES, formatMac } from '@oxmem/tloe-protocol';

/** Addresses whose text is kept; all are forgotten when there are more. */
const MAX_NAMES = 1024;

/** MAC addresses as text: the same few come again and again, and making the text is slow. */
export class MacNames {
  readonly #names = new Map<number, string>();

  /** The text of the six bytes at `offset`. */
  at(bytes: Uint8Array, offset: number): string {
    let key = 0;
    for (let i = 0; i < MAC_BYTES; i++) key = key * 256 + (bytes[offset + i] as number);
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const name = formatMac(bytes.subarray(offset, offset + MAC_BYTES));
    if (this.#names.size === MAX_NAMES) this.#names.clear();
    this.#names.set(key, name);
    return name;
  }
}
