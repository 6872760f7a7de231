import { assert } from '../assert.ts';

/** A write under way in a `MemoryOracle`. */
export interface WriteTicket {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** A read under way in a `MemoryOracle`. */
export interface ReadTicket {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** A byte that a read must not have returned. */
export interface OracleMismatch {
  /** Offset of the first wrong byte in the memory. */
  readonly offset: number;
  readonly actual: number;
  /** Values that it could have had, ascending. */
  readonly allowed: readonly number[];
}

/**
 * What a remote memory may hold, byte by byte, seen from outside.
 *
 * A user tells the oracle when each access begins, before it is issued, and when it ends, after it
 * has completed. While writes overlap in time, or one of them has failed, a byte may have one of
 * several values; a read is right when every byte has one that was possible at some moment between
 * its begin and its end:
 *
 * - a write may take effect at any moment between its begin and its end;
 * - a write that succeeded has taken effect at its end, and replaces all that ended before it began;
 * - a write that failed has taken effect by its end or never will.
 */
export class MemoryOracle {
  readonly sizeBytes: number;
  /** One possible value of each byte, the only one where no write of `#live` has another. */
  readonly #base: Uint8Array;
  /** When the write ended from which the base has its value; 0: since the start. */
  readonly #baseEnd: Float64Array;
  readonly #live = new Set<Write>();
  readonly #reads = new Set<Read>();
  /** Counts begins and ends: the order of things is all that matters. */
  #time = 0;

  /** @param initial  the content at the start, `sizeBytes` long; default all zero */
  constructor(sizeBytes: number, initial?: Uint8Array) {
    assert(initial === undefined || initial.length === sizeBytes, 'content for the whole memory');
    this.sizeBytes = sizeBytes;
    this.#base = initial?.slice() ?? new Uint8Array(sizeBytes);
    this.#baseEnd = new Float64Array(sizeBytes);
  }

  /** A write is about to be issued. The data is copied. */
  beginWrite(offset: number, data: Uint8Array): WriteTicket {
    this.#checkRange(offset, data.length);
    const write: Write = {
      offset,
      lengthBytes: data.length,
      data: data.slice(),
      isPossible: new Uint8Array(data.length).fill(1),
      begin: ++this.#time,
      end: Infinity,
    };
    this.#live.add(write);
    for (const read of this.#reads) {
      if (overlaps(read, write)) read.candidates.push(snapshot(write));
    }
    return write;
  }

  /** A write has ended; each ticket is good for one end. */
  endWrite(ticket: WriteTicket, outcome: 'ok' | 'failed'): void {
    const write = ticket as Write;
    assert(this.#live.has(write) && write.end === Infinity, 'a write ends once');
    write.end = ++this.#time;
    if (outcome === 'failed') return;
    for (const other of this.#live) {
      if (other.end < write.begin) this.#supersede(other, write);
    }
    this.#absorb(write);
  }

  /** A read is about to be issued. */
  beginRead(offset: number, lengthBytes: number): ReadTicket {
    this.#checkRange(offset, lengthBytes);
    const read: Read = {
      offset,
      lengthBytes,
      base: this.#base.slice(offset, offset + lengthBytes),
      candidates: [],
    };
    for (const write of this.#live) {
      if (overlaps(read, write)) read.candidates.push(snapshot(write));
    }
    this.#reads.add(read);
    return read;
  }

  /**
   * A read has ended; each ticket is good for one end.
   *
   * @param bytes  what it returned; undefined when it failed, which is always allowed
   * @returns the first byte that is wrong; undefined when there is none
   */
  endRead(ticket: ReadTicket, bytes: Uint8Array | undefined): OracleMismatch | undefined {
    const read = ticket as Read;
    assert(this.#reads.delete(read), 'a read ends once');
    if (bytes === undefined) return undefined;
    assert(bytes.length === read.lengthBytes, 'a read returns what was asked for');
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] !== read.base[i] && !isCandidate(read, i, bytes[i] as number)) {
        return mismatch(read, i, bytes[i] as number);
      }
    }
    return undefined;
  }

  /** A read that begins and ends now, for instance of the endpoint's own memory at the end. */
  check(offset: number, bytes: Uint8Array): OracleMismatch | undefined {
    return this.endRead(this.beginRead(offset, bytes.length), bytes);
  }

  /** Writes and reads that have begun and not ended. */
  get accessesUnderWay(): number {
    let writes = 0;
    for (const write of this.#live) if (write.end === Infinity) writes += 1;
    return writes + this.#reads.size;
  }

  /** Takes away what a later, successful write has replaced of one that ended before it began. */
  #supersede(old: Write, write: Write): void {
    const from = Math.max(old.offset, write.offset);
    const until = Math.min(old.offset + old.lengthBytes, write.offset + write.lengthBytes);
    if (from >= until) return;
    old.isPossible.fill(0, from - old.offset, until - old.offset);
    if (!old.isPossible.includes(1)) this.#live.delete(old);
  }

  /** Moves the bytes of a successful write to the base where they replace what is there. */
  #absorb(write: Write): void {
    let isAnyLeft = false;
    for (let i = 0; i < write.lengthBytes; i++) {
      const at = write.offset + i;
      if ((this.#baseEnd[at] as number) > write.begin) {
        isAnyLeft = true;
        continue;
      }
      this.#base[at] = write.data[i] as number;
      this.#baseEnd[at] = write.end;
      write.isPossible[i] = 0;
    }
    if (!isAnyLeft) this.#live.delete(write);
  }

  #checkRange(offset: number, lengthBytes: number): void {
    assert(offset >= 0 && offset + lengthBytes <= this.sizeBytes, 'an access inside the memory');
  }
}

interface Write extends WriteTicket {
  readonly data: Uint8Array;
  /** 1 for each byte that may still be in memory and is not in the base. */
  readonly isPossible: Uint8Array;
  readonly begin: number;
  end: number;
}

interface Read extends ReadTicket {
  readonly base: Uint8Array;
  readonly candidates: Candidate[];
}

interface Candidate {
  readonly offset: number;
  readonly data: Uint8Array;
  readonly isPossible: Uint8Array;
}

/** What a write may have put in memory as things stand; a read goes on while the write does. */
function snapshot(write: Write): Candidate {
  return { offset: write.offset, data: write.data, isPossible: write.isPossible.slice() };
}

function overlaps(read: Read, write: Write): boolean {
  return (
    read.offset < write.offset + write.lengthBytes && write.offset < read.offset + read.lengthBytes
  );
}

function isCandidate(read: Read, index: number, value: number): boolean {
  for (const { offset, data, isPossible } of read.candidates) {
    const i = read.offset + index - offset;
    if (isPossible[i] === 1 && data[i] === value) return true;
  }
  return false;
}

function mismatch(read: Read, index: number, actual: number): OracleMismatch {
  const allowed = new Set([read.base[index] as number]);
  for (let value = 0; value < 256; value++) {
    if (isCandidate(read, index, value)) allowed.add(value);
  }
  return { offset: read.offset + index, actual, allowed: [...allowed].sort((a, b) => a - b) };
}
