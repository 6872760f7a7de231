import { MILLISECOND, addressPlus, assert, type Micros } from '@oxmem/tloe-protocol';
import { Dialogue } from './dialogue.ts';
import type { Scenario } from './scenario.ts';
import { Verdict, type Outcome } from './verdict.ts';
import { SCRATCH_MINIMUM_BYTES, type ScratchRange } from './scratch-range.ts';
import type { ScriptedInitiator } from './scripted-initiator.ts';

/** How a scenario went. */
export interface CheckResult {
  readonly scenario: Scenario;
  readonly outcome: Outcome;
  /** What the endpoint did, or does not have; empty if it passed. */
  readonly detail: string;
  readonly micros: Micros;
}

/** What was done about the former contents of the scratch range. */
export type Restoration = 'restored' | 'not-restored' | 'not-read';

/** An old connection is not taken for a late copy of this Open. */
const PAUSE_BEFORE_OPENING = 200 * MILLISECOND;
/** Bytes of an access that every known endpoint serves, both ways. */
const COPY_BYTES = 32;

/** Plays scenarios against an endpoint, one after the other, and keeps its memory as it was. */
export class CheckRun {
  readonly #peer: ScriptedInitiator;
  readonly #scratch: ScratchRange;
  /** A connection that the endpoint still has. */
  #isConnected = false;
  /** The endpoint does not end connections: the one that it has is used for everything. */
  #isSticky = false;
  #saved: Uint8Array[] | undefined;
  /** Played so far: each uses another part of the scratch range, in turn. */
  #played = 0;
  /** Connections in a row that did not come about. */
  #failures = 0;

  constructor(peer: ScriptedInitiator, scratch: ScratchRange) {
    this.#peer = peer;
    this.#scratch = scratch;
  }

  /** Whether the endpoint answers at all. Reads what the scratch range holds. */
  async begin(): Promise<boolean> {
    if (!(await this.#connect())) return false;
    this.#saved = await this.#copy();
    return true;
  }

  /** Plays one scenario. Does not reject because of what the endpoint does. */
  async play(scenario: Scenario): Promise<CheckResult> {
    const start = this.#peer.clock.now();
    const verdict = await this.#judge(scenario);
    const micros = this.#peer.clock.now() - start;
    const [outcome, detail] =
      verdict === undefined ? (['pass', ''] as const) : [verdict.outcome, verdict.message];
    return { scenario, outcome, detail, micros };
  }

  /** Puts back what the scratch range held, and closes the connection. */
  async finish(): Promise<Restoration> {
    const restoration = await this.#restore();
    if (this.#isConnected) await this.#dialogue(0).tryClose();
    this.#isConnected = false;
    return restoration;
  }

  async #judge(scenario: Scenario): Promise<Verdict | undefined> {
    const parts = this.#scratch.sizeBytes / SCRATCH_MINIMUM_BYTES;
    const dialogue = this.#dialogue((this.#played++ % parts) * SCRATCH_MINIMUM_BYTES);
    const isReady = scenario.isBare === true ? await this.#disconnect() : await this.#connect();
    if (!isReady && scenario.isBare === true) {
      return new Verdict('not-supported', 'it has a connection already and does not end it');
    }
    if (!isReady) return new Verdict('fail', 'it does not open a connection');
    this.#peer.isAcking = true;
    this.#peer.forget();
    try {
      await scenario.play(dialogue);
      return undefined;
    } catch (error) {
      if (error instanceof Verdict) return error;
      throw error;
    } finally {
      // What a dialogue leaves behind is found out when the next one begins.
      this.#isConnected = true;
      this.#peer.isAcking = true;
    }
  }

  #dialogue(offset: number): Dialogue {
    const base = addressPlus(this.#scratch.base, offset);
    assert(base !== undefined, 'the scratch range has addresses');
    return new Dialogue(this.#peer, base);
  }

  /** @returns whether there is a connection in good order */
  async #connect(): Promise<boolean> {
    const dialogue = this.#dialogue(0);
    if (this.#failures >= 2) return false;
    if (this.#isConnected && (await dialogue.isInOrder())) return true;
    if (this.#isConnected) await this.#peer.pause(PAUSE_BEFORE_OPENING);
    this.#isConnected = await dialogue.tryOpen();
    this.#failures = this.#isConnected ? 0 : this.#failures + 1;
    return this.#isConnected;
  }

  /** @returns whether there is no connection */
  async #disconnect(): Promise<boolean> {
    if (this.#isSticky) return false;
    if (!this.#isConnected) return true;
    const dialogue = this.#dialogue(0);
    // One that was left in disorder does not understand a Close; an Open ends that one.
    const hasClosed = (await dialogue.isInOrder()) && (await dialogue.tryClose());
    await this.#peer.pause(PAUSE_BEFORE_OPENING);
    if (!hasClosed && (await dialogue.isInOrder())) {
      this.#isSticky = true;
      return false;
    }
    this.#isConnected = false;
    return true;
  }

  /** @returns what the scratch range holds; undefined: it cannot be read */
  async #copy(): Promise<Uint8Array[] | undefined> {
    const pieces: Uint8Array[] = [];
    try {
      for (let offset = 0; offset < this.#scratch.sizeBytes; offset += COPY_BYTES) {
        pieces.push(await this.#dialogue(0).read(offset, COPY_BYTES));
        this.#peer.forget();
      }
      return pieces;
    } catch (error) {
      if (error instanceof Verdict) return undefined;
      throw error;
    }
  }

  async #restore(): Promise<Restoration> {
    if (this.#saved === undefined) return 'not-read';
    if (!(await this.#connect())) return 'not-restored';
    try {
      for (const [index, piece] of this.#saved.entries()) {
        await this.#dialogue(0).write(index * COPY_BYTES, piece);
        this.#peer.forget();
      }
      return 'restored';
    } catch (error) {
      if (error instanceof Verdict) return 'not-restored';
      throw error;
    }
  }
}
