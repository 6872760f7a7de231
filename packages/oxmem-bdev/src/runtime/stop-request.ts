/**
 * Somebody's wish that the driver ends: a signal, or a test. The first one starts a shutdown in
 * good order, which waits for whoever uses the device; after a second one nobody is waited for.
 */
export class StopRequest {
  /** Resolves at the first request. */
  readonly requested: Promise<void>;
  /** Resolves at the second one. */
  readonly insisted: Promise<void>;
  /** Resolves when a successor wants the devices. */
  readonly handOverAsked: Promise<void>;
  #isHandOver = false;
  #count = 0;
  #resolveFirst: () => void = () => {};
  #resolveSecond: () => void = () => {};
  #resolveHandOver: () => void = () => {};

  constructor() {
    this.requested = new Promise((resolve) => {
      this.#resolveFirst = resolve;
    });
    this.insisted = new Promise((resolve) => {
      this.#resolveSecond = resolve;
    });
    this.handOverAsked = new Promise((resolve) => {
      this.#resolveHandOver = resolve;
    });
  }

  get isRequested(): boolean {
    return this.#count > 0;
  }

  get isInsisted(): boolean {
    return this.#count > 1;
  }

  /** Whether the driver ends because it hands its devices over. */
  get isHandOver(): boolean {
    return this.#isHandOver;
  }

  /** A successor wants the devices. */
  askHandOver(): void {
    this.#resolveHandOver();
  }

  /** The devices are handed over: the driver ends, and leaves them as they are. */
  grantHandOver(): void {
    if (this.isRequested) return;
    this.#isHandOver = true;
    this.request();
  }

  request(): void {
    this.#count++;
    if (this.#count === 1) this.#resolveFirst();
    if (this.#count === 2) this.#resolveSecond();
  }
}
