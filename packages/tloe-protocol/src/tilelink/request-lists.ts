import type { MemoryRequest } from './memory-request.ts';

/** The requests that are not done, in no particular order; linked through the requests. */
export class LiveRequests {
  first: MemoryRequest | undefined = undefined;
  count = 0;

  add(request: MemoryRequest): void {
    request.isLive = true;
    request.previousLive = undefined;
    request.nextLive = this.first;
    if (this.first !== undefined) this.first.previousLive = request;
    this.first = request;
    this.count++;
  }

  remove(request: MemoryRequest): void {
    request.isLive = false;
    if (request.previousLive === undefined) this.first = request.nextLive;
    else request.previousLive.nextLive = request.nextLive;
    if (request.nextLive !== undefined) request.nextLive.previousLive = request.previousLive;
    request.nextLive = undefined;
    request.previousLive = undefined;
    this.count--;
  }
}

/**
 * The requests that hold their range and have bytes for which no access was issued: first come,
 * first served, and a long one makes room for the others every now and then.
 */
export class ReadyRequests {
  first: MemoryRequest | undefined = undefined;
  #last: MemoryRequest | undefined = undefined;

  append(request: MemoryRequest): void {
    request.nextReady = undefined;
    if (this.#last === undefined) this.first = request;
    else this.#last.nextReady = request;
    this.#last = request;
  }

  removeFirst(): void {
    const request = this.first;
    if (request === undefined) return;
    this.first = request.nextReady;
    if (this.first === undefined) this.#last = undefined;
    request.nextReady = undefined;
  }

  /** The first one goes behind all others. */
  rotate(): void {
    const request = this.first;
    if (request === undefined || request.nextReady === undefined) return;
    this.removeFirst();
    this.append(request);
  }

  remove(request: MemoryRequest): void {
    let previous: MemoryRequest | undefined;
    for (let at = this.first; at !== undefined; previous = at, at = at.nextReady) {
      if (at !== request) continue;
      if (previous === undefined) this.first = at.nextReady;
      else previous.nextReady = at.nextReady;
      if (this.#last === at) this.#last = previous;
      at.nextReady = undefined;
      return;
    }
  }
}
