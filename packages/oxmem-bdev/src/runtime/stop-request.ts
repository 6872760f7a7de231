/**
 * Somebody's wish that the driver ends: a signal, or a test. The first one starts a shutdown in
 * good order; what a second one does is the business of whoever receives the signals.
 */
export class StopRequest {
  /** Resolves at the first request. */
  readonly requested: Promise<void>;
  #resolve: () => void = () => {};
  #isRequested = false;

  constructor() {
    this.requested = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get isRequested(): boolean {
    return this.#isRequested;
  }

  request(): void {
    this.#isRequested = true;
    this.#resolve();
  }
}
