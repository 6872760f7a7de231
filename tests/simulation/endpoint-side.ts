import {
  ENDPOINT_PERSONAS,
  Endpoint,
  HABIT_FAULTS,
  PersonaEndpoint,
  endpointConfig,
  type EndpointHabits,
  type MemoryServer,
  type RequestFaults,
} from '@oxmem/sim-endpoint';
import type { ByteRegion, MemoryBackend } from '@oxmem/tloe-protocol';
import { floorLog2 } from '@oxmem/tloe-protocol';
import { ArrayMemory, type Prng } from '@oxmem/tloe-protocol/testing';
import type { Machine } from './machine.ts';
import { memoryBytes, type EndpointPlan, type SimulationPlan } from './plan.ts';

/**
 * The endpoint of a run and its memory, which outlives the program if the plan says so. What it
 * holds at first, and what it holds after it was lost, differs in every byte, so that no byte of a
 * lost memory passes for the right one.
 */
export class EndpointSide {
  readonly machine: Machine;
  readonly memory: TroubledMemory;
  readonly #plan: EndpointPlan;
  readonly #prng: Prng;
  #server: MemoryServer | undefined = undefined;

  constructor(plan: SimulationPlan, machine: Machine, prng: Prng) {
    this.#plan = plan.endpoint;
    this.machine = machine;
    this.#prng = prng;
    this.memory = new TroubledMemory(memoryBytes(plan), plan.endpoint, prng.fork('troubles'));
  }

  /** The program that runs now. */
  get server(): MemoryServer | undefined {
    return this.#server;
  }

  /** Numbers that it has given up as lost for good. */
  get numbersSkipped(): number {
    return this.#server?.stats().link.skipped ?? 0;
  }

  /** What it suffered that the real one would suffer from, and why it ended if it did. */
  get harm(): readonly string[] {
    if (!(this.#server instanceof PersonaEndpoint)) return [];
    const { end, sufferings } = this.#server;
    return end === undefined ? sufferings : [end, ...sufferings];
  }

  start(): void {
    const { clock, transport } = this.machine.boot();
    const parts = { clock, transport };
    this.#server = this.#plan.peer === 'oxmem' ? this.#ours(parts) : this.#persona(parts);
    this.#server.start();
  }

  /** As if somebody had pulled the plug. */
  cutPower(): void {
    this.#server?.close();
    this.#server = undefined;
    this.machine.switchOff();
  }

  #ours(parts: Ports): MemoryServer {
    const plan = this.#plan;
    const { base, dataOrder, windowFrames, grantExponents, firstSequenceNumber } = plan;
    const maxAccessLog2 = floorLog2(plan.maxAccessBytes);
    const config = endpointConfig({
      responder: { base, dataOrder, maxAccessLog2 },
      windowFrames,
      grantExponents,
      firstSequenceNumber,
    });
    return new Endpoint(config, { ...parts, memory: this.memory, requestFaults: this.memory });
  }

  #persona(parts: Ports): MemoryServer {
    const { peer, base, dataOrder } = this.#plan;
    const named = ENDPOINT_PERSONAS[peer === 'oxmem' ? 'plain' : peer];
    const odd = this.#plan.habits.reduce<EndpointHabits>(
      (habits, name) => HABIT_FAULTS[name].on(habits),
      named,
    );
    const habits = { ...odd, service: { ...odd.service, dataOrder } };
    const memory = { backend: this.memory, base, requestFaults: this.memory };
    return new PersonaEndpoint(habits, { ...parts, memory, prng: this.#prng.fork('persona') });
  }
}

type Ports = ReturnType<Machine['boot']>;

/** Bytes that deny access or say that they are damaged, by chance, while there are faults. */
export class TroubledMemory implements MemoryBackend, RequestFaults {
  readonly sizeBytes: number;
  /** Whether trouble is over. */
  isHealthy = false;
  readonly #bytes: ArrayMemory;
  readonly #chances: Pick<EndpointPlan, 'denyChance' | 'spoilChance'>;
  readonly #prng: Prng;

  constructor(sizeBytes: number, chances: EndpointPlan, prng: Prng) {
    this.sizeBytes = sizeBytes;
    this.#bytes = new ArrayMemory(sizeBytes);
    this.#chances = chances;
    this.#prng = prng;
    this.#bytes.region.bytes.set(firstContents(sizeBytes));
  }

  /** What it holds. */
  get bytes(): Uint8Array {
    return this.#bytes.region.bytes;
  }

  /** Everything is gone. */
  lose(): void {
    this.bytes.set(lostContents(this.sizeBytes));
  }

  read(offset: number, length: number, target: ByteRegion, targetOffset: number): void {
    this.#bytes.read(offset, length, target, targetOffset);
  }

  write(offset: number, length: number, source: ByteRegion, sourceOffset: number): void {
    this.#bytes.write(offset, length, source, sourceOffset);
  }

  isDamaged(): boolean {
    return !this.isHealthy && this.#prng.chance(this.#chances.spoilChance);
  }

  refuses(): boolean {
    return !this.isHealthy && this.#prng.chance(this.#chances.denyChance);
  }
}

/** More than the memory of any run. */
const MOST_BYTES = 32_768;
const FIRST = new Uint8Array(MOST_BYTES).map((_, i) => (i * 11 + (i >> 8) * 5 + 1) & 0x7f);
const LOST = FIRST.map((byte) => byte | 0x80);

/** What the memory holds before anybody writes. */
export function firstContents(sizeBytes: number): Uint8Array {
  return FIRST.slice(0, sizeBytes);
}

/** What it holds after it was lost: another byte everywhere. */
export function lostContents(sizeBytes: number): Uint8Array {
  return LOST.slice(0, sizeBytes);
}
