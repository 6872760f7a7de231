import { ExportTable } from '@oxmem/nbd-protocol';
import { MemoryLink, type ClientReply } from '@oxmem/nbd-protocol/testing';
import {
  MemoryOracle,
  Prng,
  type ReadTicket,
  type WriteTicket,
} from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';

import { VirtualDevice } from './virtual-device.ts';

const SIZE = 2 ** 18;
const CLIENTS = 3;
const REQUESTS = 120;

interface Asked {
  readonly link: MemoryLink;
  readonly cookie: number;
  readonly write: WriteTicket | undefined;
  readonly read: ReadTicket | undefined;
}

/** Clients ↔ NBD sessions ↔ device ↔ remote memory ↔ simulated wire ↔ endpoint, in virtual time. */
class App {
  readonly rig: VirtualDevice;
  readonly links: readonly MemoryLink[];
  readonly #oracle = new MemoryOracle(SIZE);
  readonly #prng: Prng;
  #asked: Asked[] = [];

  constructor(seed: number, faults: readonly string[]) {
    this.rig = new VirtualDevice({ sizeBytes: SIZE, faults, seed });
    this.#prng = new Prng(seed).fork('clients');
    const exports = new ExportTable([{ name: 'oxmem', backend: this.rig.device }]);
    const cut = (): number => 1 + this.#prng.below(5000);
    this.links = Array.from(
      { length: CLIENTS },
      () => new MemoryLink({ exports }, { inputCut: cut, outputCut: cut }),
    );
  }

  handshake(): void {
    this.links.forEach((link, i) => {
      link.client.sendHandshake('oxmem', i % 2 === 0);
      link.run();
      expect(link.client.inTransmission).toBe(true);
    });
  }

  /** One request of a random client, near the others or anywhere. */
  ask(): void {
    const link = this.links[this.#prng.below(CLIENTS)] as MemoryLink;
    const offset = this.#prng.below(this.#prng.below(2) === 0 ? 2000 : SIZE - 10_000);
    const length = 1 + this.#prng.below(this.#prng.below(2) === 0 ? 64 : 9000);
    if (this.#prng.below(2) === 0) {
      const read = this.#oracle.beginRead(offset, length);
      const cookie = link.client.read(offset, length);
      this.#asked.push({ link, cookie, write: undefined, read });
    } else {
      const data = Uint8Array.from({ length }, () => this.#prng.below(256));
      const write = this.#oracle.beginWrite(offset, data);
      const cookie = link.client.write(offset, data);
      this.#asked.push({ link, cookie, write, read: undefined });
    }
    link.run();
  }

  /** Moves bytes and time by a step; checks the answers that have come. */
  step(): void {
    const { clock } = this.rig;
    if (clock.nextAt < Infinity) clock.advanceTo(clock.nextAt);
    for (const link of this.links) link.run();
    this.#asked = this.#asked.filter((asked) => !this.#check(asked));
  }

  get isIdle(): boolean {
    return this.#asked.length === 0;
  }

  #check({ link, cookie, write, read }: Asked): boolean {
    const reply: ClientReply | undefined = link.client.reply(cookie);
    if (reply === undefined) return false;
    expect(reply.error).toBe(0);
    if (write !== undefined) this.#oracle.endWrite(write, 'ok');
    if (read !== undefined) expect(this.#oracle.endRead(read, reply.data)).toBeUndefined();
    return true;
  }
}

describe('the whole app in virtual time', () => {
  it.each([
    [1, []],
    [2, ['loss=5%', 'dup=5%', 'reorder=5%', 'delay=100us']],
    [3, ['loss=20%']],
    [4, ['stall=2%', 'delay=1ms']],
  ])('gives every client what the memory holds: seed %i, faults %j', async (seed, faults) => {
    const app = new App(seed, faults);
    expect((await app.rig.open()).isOpen).toBe(true);
    app.handshake();
    for (let i = 0; i < REQUESTS; i++) {
      app.ask();
      for (let steps = seed % 3; steps > 0; steps--) app.step();
    }
    for (let steps = 0; !app.isIdle; steps++) {
      expect(steps).toBeLessThan(1_000_000);
      app.step();
    }
    for (const link of app.links) {
      link.client.disconnect();
      link.run();
      expect([link.closeReason, link.isReleased]).toEqual(['disconnected', true]);
    }
    expect(app.rig.memory.initiator.liveRequests).toBe(0);
    expect(app.rig.memory.initiator.rangesLocked).toBe(0);
  });
});
