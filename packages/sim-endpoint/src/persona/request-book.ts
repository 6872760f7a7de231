import { NEVER, floorLog2, type Micros } from '@oxmem/tloe-protocol';
import type { InitiatorRequests } from './initiator-habits.ts';

/** One access of a foreign initiator. */
export interface OpenRequest {
  readonly address: number;
  readonly sizeLog2: number;
  /** What to write, in the order of the wire; undefined: a read. */
  readonly data: Uint8Array | undefined;
  readonly call: Call;
  /** Where its bytes belong in the call. */
  readonly start: number;
  source: number;
  /** Frame that carried it last. */
  frameNumber: number;
  sentAt: Micros;
  tries: number;
}

interface Call {
  readonly bytes: Uint8Array;
  missing: number;
  hasFailed: boolean;
  done(isOk: boolean, bytes: Uint8Array): void;
}

/** The requests of a foreign initiator: cuts them, knows their answers, repeats them, by habit. */
export class RequestBook {
  readonly #habits: InitiatorRequests;
  #waiting: OpenRequest[] = [];
  #open: OpenRequest[] = [];
  #source = 0;

  constructor(habits: InitiatorRequests) {
    this.#habits = habits;
  }

  read(address: number, length: number, tell: (bytes: Uint8Array | undefined) => void): void {
    const done = (isOk: boolean, bytes: Uint8Array): void => tell(isOk ? bytes : undefined);
    this.#cut(address, { bytes: new Uint8Array(length), missing: 0, hasFailed: false, done }, true);
  }

  write(address: number, bytes: Uint8Array, tell: (isOk: boolean) => void): void {
    this.#cut(address, { bytes: bytes.slice(), missing: 0, hasFailed: false, done: tell }, false);
  }

  /** The request to send now, if there is one: an unanswered one again, or a new one. */
  next(now: Micros): OpenRequest | undefined {
    const { reissue, outstanding } = this.#habits;
    for (const request of this.#open) {
      if (this.#dueAt(request) > now || reissue === undefined) continue;
      const isOver = request.tries > reissue.times && request.data === undefined;
      if (!isOver) return request;
      this.#open = this.#open.filter((other) => other !== request);
      this.#end(request, true);
    }
    return this.#open.length < outstanding ? this.#waiting[0] : undefined;
  }

  /** When an unanswered request is due again. */
  get nextAt(): Micros {
    return Math.min(NEVER, ...this.#open.map((request) => this.#dueAt(request)));
  }

  sent(request: OpenRequest, now: Micros, frameNumber: number): void {
    if (request === this.#waiting[0]) {
      this.#waiting.shift();
      request.source = this.#source;
      this.#source = (this.#source + 1) % this.#habits.sources;
      this.#open.push(request);
    }
    request.sentAt = now;
    request.frameNumber = frameNumber;
    request.tries++;
  }

  /** The request that an answer is taken for. */
  find(source: number, ackNumber: number): OpenRequest | undefined {
    switch (this.#habits.matches) {
      case 'source':
        return this.#open.find((request) => request.source === source);
      case 'acknowledgement':
        return this.#open.find((request) => request.frameNumber === ackNumber);
      case 'order':
        return this.#open[0];
    }
  }

  /** `body`: the data of the answer, if it has any. */
  answered(request: OpenRequest, body: Uint8Array | undefined): void {
    this.#open = this.#open.filter((other) => other !== request);
    if (request.data === undefined && body !== undefined) {
      const length = 1 << request.sizeLog2;
      request.call.bytes.set(this.#ordered(body.slice(0, length)), request.start);
    }
    this.#end(request, false);
  }

  #end({ call }: OpenRequest, hasFailed: boolean): void {
    call.missing--;
    call.hasFailed ||= hasFailed;
    if (call.missing === 0) call.done(!call.hasFailed, call.bytes);
  }

  #cut(address: number, call: Call, isRead: boolean): void {
    const { maxLog2, isAligned } = this.#habits;
    for (let start = 0; start < call.bytes.length;) {
      const at = address + start;
      const byAlignment = isAligned && at > 0 ? floorLog2(at & -at) : maxLog2;
      const sizeLog2 = Math.min(maxLog2, floorLog2(call.bytes.length - start), byAlignment);
      const part = call.bytes.slice(start, start + (1 << sizeLog2));
      const data = isRead ? undefined : this.#ordered(part);
      const unsent = { source: 0, frameNumber: -1, sentAt: 0, tries: 0 };
      this.#waiting.push({ address: at, sizeLog2, data, call, start, ...unsent });
      call.missing++;
      start += 1 << sizeLog2;
    }
  }

  #dueAt(request: OpenRequest): Micros {
    const { reissue } = this.#habits;
    if (reissue === undefined) return NEVER;
    return request.sentAt + (request.tries === 1 ? reissue.firstMicros : reissue.thenMicros);
  }

  #ordered(bytes: Uint8Array): Uint8Array {
    if (this.#habits.dataOrder === 'raw') return bytes;
    return Uint8Array.from(bytes, (_, i) => bytes[(i & ~7) + 7 - (i & 7)] ?? 0);
  }
}
