import { assert } from './assert.ts';
import type { BlockBackend } from './block-backend.ts';
import { encodeUtf8 } from './wire/text.ts';
import { MAX_REQUEST_BYTES, MAX_STRING_BYTES, TransmissionFlag } from './wire/constants.ts';

/** One export as its owner describes it. */
export interface ExportDefinition {
  /** Name by which clients ask; at most 4096 bytes of UTF-8, no NUL. */
  readonly name: string;
  /** For people; shown in listings. At most 4096 bytes of UTF-8. */
  readonly description?: string;
  readonly backend: BlockBackend;
  /** Whether clients are told that TRIM does something useful. Default true. */
  readonly trim?: boolean;
  /**
   * Whether clients may use several connections at once. True only if a flush on one connection
   * covers the writes completed on all of them, which a single backend promises. Default true.
   */
  readonly multiConnection?: boolean;
}

/** One export, checked, with its strings as they stand on the wire. */
export class NbdExport {
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly descriptionBytes: Uint8Array;
  readonly backend: BlockBackend;
  /** Transmission flags except SEND_DF, which depends on what the client negotiated. */
  readonly flags: number;

  /** @throws AssertionError when a name is too long or the backend's sizes break their rules */
  constructor(definition: ExportDefinition) {
    this.name = definition.name;
    this.nameBytes = encodeUtf8(definition.name);
    this.descriptionBytes = encodeUtf8(definition.description ?? '');
    this.backend = definition.backend;
    assert(this.nameBytes.length <= MAX_STRING_BYTES, 'an export name has at most 4096 bytes');
    assert(!this.nameBytes.includes(0), 'an export name has no NUL');
    assert(
      this.descriptionBytes.length <= MAX_STRING_BYTES,
      'a description has at most 4096 bytes',
    );
    checkSizes(definition.backend);
    this.flags = transmissionFlags(definition);
  }
}

/** The exports that a server offers. The same table serves all connections. */
export class ExportTable {
  readonly entries: readonly NbdExport[];
  private readonly defaultExport: NbdExport;

  /**
   * The first definition is the default export, which the empty name stands for, unless there is
   * one whose name is empty.
   *
   * @throws AssertionError when there are none, or two of one name
   */
  constructor(definitions: readonly ExportDefinition[]) {
    this.entries = definitions.map((definition) => new NbdExport(definition));
    const names = new Set(this.entries.map((entry) => entry.name));
    assert(names.size === this.entries.length, 'export names are unique');
    const first = this.entries[0];
    assert(first !== undefined, 'there is at least one export');
    this.defaultExport = this.entries.find((entry) => entry.name === '') ?? first;
  }

  /** The export of that name, bytes `start .. end - 1` of `bytes`; undefined if there is none. */
  find(bytes: Uint8Array, start: number, end: number): NbdExport | undefined {
    if (start === end) return this.defaultExport;
    return this.entries.find((entry) => equalBytes(entry.nameBytes, bytes, start, end));
  }
}

function equalBytes(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false;
  return true;
}

function checkSizes(backend: BlockBackend): void {
  const { sizeBytes, minimumBlockBytes: minimum, preferredBlockBytes: preferred } = backend;
  assert(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0, 'sizeBytes is a safe integer');
  assert(isPowerOfTwo(minimum) && minimum <= 65536, 'minimumBlockBytes is a power of two to 65536');
  assert(isPowerOfTwo(preferred), 'preferredBlockBytes is a power of two');
  assert(
    preferred >= Math.max(512, minimum) && preferred <= MAX_REQUEST_BYTES,
    'preferredBlockBytes lies between 512 (or the minimum) and 32 MiB',
  );
  assert(sizeBytes % minimum === 0, 'sizeBytes is a multiple of minimumBlockBytes');
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && value <= 2 ** 30 && (value & (value - 1)) === 0;
}

function transmissionFlags(definition: ExportDefinition): number {
  let flags = TransmissionFlag.HAS_FLAGS | TransmissionFlag.SEND_FLUSH | TransmissionFlag.SEND_FUA;
  if (definition.multiConnection ?? true) flags |= TransmissionFlag.CAN_MULTI_CONN;
  if (definition.backend.readOnly) return flags | TransmissionFlag.READ_ONLY;
  flags |= TransmissionFlag.SEND_WRITE_ZEROES | TransmissionFlag.SEND_FAST_ZERO;
  if (definition.trim ?? true) flags |= TransmissionFlag.SEND_TRIM;
  return flags;
}
