import { ExportTable, type ExportDefinition } from '../src/export-table.ts';
import type { ConnectionLimits } from '../src/session/connection-limits.ts';
import {
  MemoryBlockBackend,
  type MemoryBlockBackendOptions,
} from '../src/testing/memory-block-backend.ts';
import { MemoryLink, type MemoryLinkOptions } from '../src/testing/memory-link.ts';

/** What to serve in a test; all has a default. */
export interface ServeOptions extends Partial<MemoryBlockBackendOptions> {
  readonly structured?: boolean;
  readonly definition?: Partial<ExportDefinition>;
  readonly limits?: Partial<ConnectionLimits>;
  readonly link?: MemoryLinkOptions;
}

/** A connection in front of a memory device. */
export interface Served {
  readonly backend: MemoryBlockBackend;
  readonly link: MemoryLink;
}

export const MIB: number = 1024 * 1024;

/** A connection of which the client has done nothing yet. */
export function connect(options: ServeOptions = {}): Served {
  const backend = new MemoryBlockBackend({ sizeBytes: 64 * MIB, ...options });
  const exports = new ExportTable([{ name: 'disk', backend, ...options.definition }]);
  const link = new MemoryLink({ exports, limits: options.limits ?? {} }, options.link);
  return { backend, link };
}

/** A connection in its transmission phase. */
export function serve(options: ServeOptions = {}): Served {
  const served = connect(options);
  served.link.client.sendHandshake('disk', options.structured ?? false);
  served.link.run();
  return served;
}

/** Bytes that differ from place to place and from seed to seed. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    bytes[i] = state >>> 11;
  }
  return bytes;
}

/** Hexadecimal text with blanks anywhere as bytes. */
export function hex(text: string): Uint8Array {
  const digits = text.replace(/\s/g, '');
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Bytes as hexadecimal text. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Comparison of long arrays without the cost of a readable difference. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
