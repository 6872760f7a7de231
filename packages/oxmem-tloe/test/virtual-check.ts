import { createVirtualEndpoint, type MemoryEndpointOptions } from '@oxmem/sim-endpoint';
import { ADDRESS_ZERO, MILLISECOND } from '@oxmem/tloe-protocol';
import { VirtualClock } from '@oxmem/tloe-protocol/testing';
import { CheckRun, type CheckResult, type Restoration } from '../src/check/check-run.ts';
import type { Scenario } from '../src/check/scenario.ts';
import { ScriptedInitiator } from '../src/check/scripted-initiator.ts';

/** A check of an endpoint in virtual time. */
export class VirtualCheck {
  readonly run: CheckRun;
  readonly endpoint: ReturnType<typeof createVirtualEndpoint>;
  readonly #clock = new VirtualClock();

  constructor(options: Partial<MemoryEndpointOptions>, scratchBytes = 4096) {
    this.endpoint = createVirtualEndpoint(
      { sizeBytes: 2 ** 20, mtuBytes: 4200, ...options },
      this.#clock,
    );
    const peer = new ScriptedInitiator({
      transport: this.endpoint.attach(),
      clock: this.#clock,
      endpointMac: this.endpoint.endpointMac,
    });
    this.run = new CheckRun(peer, { base: ADDRESS_ZERO, sizeBytes: scratchBytes });
  }

  begin(): Promise<boolean> {
    return this.#until(this.run.begin());
  }

  play(scenario: Scenario): Promise<CheckResult> {
    return this.#until(this.run.play(scenario));
  }

  finish(): Promise<Restoration> {
    return this.#until(this.run.finish());
  }

  /** Lets frames arrive that are on their way. */
  settle(): void {
    this.#clock.advanceBy(MILLISECOND);
  }

  /** Moves the clock from event to event until the promise is settled. */
  async #until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    const limit = this.#clock.now() + 300e6;
    for (;;) {
      // Lets everything run that waits for nothing but its turn.
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      if (isSettled) return promise;
      const { nextAt } = this.#clock;
      if (nextAt > limit) throw new Error('the check waits for something that never comes');
      this.#clock.advanceTo(Math.max(nextAt, this.#clock.now()));
    }
  }
}
