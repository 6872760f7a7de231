import type {
  Alarm,
  ByteRegion,
  Clock,
  FrameTransport,
  Micros,
  TransportHandlers,
} from '@oxmem/tloe-protocol';
import type { MemoryTransport, VirtualClock } from '@oxmem/tloe-protocol/testing';
import { invariant } from './violation.ts';

/** Sees every frame that a program sends or reads, as the program does. */
export interface FrameTap {
  sent(region: ByteRegion, offset: number, length: number): void;
  received(region: ByteRegion, offset: number, length: number): void;
}

/** What a program gets of its machine; good until the machine is switched off. */
export interface MachinePorts {
  readonly clock: Clock;
  readonly transport: FrameTransport;
}

/** Alarms of one program that may ring at the same instant before it counts as spinning. */
const MOST_ALARMS_AT_ONCE = 200;

/**
 * A machine with one interface, on which one program runs after the other: it can be switched off
 * in the midst of everything, or stand still for a while, as a process does that is not scheduled.
 */
export class Machine {
  readonly clock: VirtualClock;
  readonly #interface: MemoryTransport;
  readonly #tap: FrameTap;
  #power: Power | undefined = undefined;
  /** Whether its interface is down: what comes and goes is lost. */
  isDown = false;
  #isPaused = false;
  #pausedUntil: Micros = 0;
  #wokeAt: Micros = -1;
  /** What was due while the program stood still. */
  #overdue: (() => void)[] = [];

  constructor(clock: VirtualClock, transport: MemoryTransport, tap: FrameTap) {
    this.clock = clock;
    this.#interface = transport;
    this.#tap = tap;
    transport.start({
      onReceiveBatch: (count) => this.#receive(count),
      onWritable: () => this.whenAwake(() => this.#power?.handlers?.onWritable()),
      onFailure: (error) => this.#power?.handlers?.onFailure(error),
    });
  }

  get isOn(): boolean {
    return this.#power !== undefined;
  }

  /** Whether the program stands still. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /**
   * Whether it has stood still until this instant: what was due meanwhile is overdue for a moment,
   * because frames that wait are read first.
   */
  get isJustAwake(): boolean {
    return this.clock.now() === this.#wokeAt;
  }

  /** Frames that its interface lost because the program did not read. */
  get framesOverrun(): number {
    return this.#interface.framesOverrun;
  }

  /** Switches it on, for a new program. */
  boot(): MachinePorts {
    const power: Power = { handlers: undefined, alarmAt: -1, alarmsAtOnce: 0 };
    this.#power = power;
    return { clock: this.#clockFor(power), transport: this.#transportFor(power) };
  }

  /** From one moment to the next nothing of the program is left. */
  switchOff(): void {
    this.#power = undefined;
    this.#overdue = [];
    this.#isPaused = false;
    this.#interface.hold(false);
  }

  /** The program stands still for so long. */
  pause(micros: Micros): void {
    this.#isPaused = true;
    this.#interface.hold(true);
    this.#pausedUntil = Math.max(this.#pausedUntil, this.clock.now() + micros);
    const until = this.#pausedUntil;
    this.clock.schedule(until, () => {
      if (this.#pausedUntil === until && this.#isPaused) this.#wake();
    });
  }

  /** Alarms first, frames afterwards, as an event loop has it. */
  #wake(): void {
    this.#isPaused = false;
    this.#wokeAt = this.clock.now();
    const overdue = this.#overdue;
    this.#overdue = [];
    for (const action of overdue) action();
    this.#interface.hold(false);
  }

  /** Does it now, or when the program goes on. */
  whenAwake(action: () => void): void {
    if (this.#isPaused) this.#overdue.push(action);
    else action();
  }

  #receive(count: number): void {
    const { receiveRegion, receiveDescriptors } = this.#interface;
    if (this.#power?.handlers === undefined || this.isDown) return;
    for (let i = 0; i < count; i++) {
      const offset = receiveDescriptors[2 * i] as number;
      this.#tap.received(receiveRegion, offset, receiveDescriptors[2 * i + 1] as number);
    }
    this.#power.handlers.onReceiveBatch(count);
  }

  #transportFor(power: Power): FrameTransport {
    const real = this.#interface;
    const isOurs = (): boolean => this.#power === power;
    return {
      mtuBytes: real.mtuBytes,
      ownMac: real.ownMac,
      receiveRegion: real.receiveRegion,
      receiveDescriptors: real.receiveDescriptors,
      start: (handlers) => {
        power.handlers = handlers;
      },
      sendBatch: (region, descriptors, first, count) => {
        if (!isOurs()) return 0;
        const taken = this.isDown ? count : real.sendBatch(region, descriptors, first, count);
        for (let i = first; i < first + taken; i++) {
          this.#tap.sent(region, descriptors[2 * i] as number, descriptors[2 * i + 1] as number);
        }
        return taken;
      },
      close: () => {
        power.handlers = undefined;
      },
    };
  }

  #clockFor(power: Power): Clock {
    return {
      now: () => this.clock.now(),
      createAlarm: (onAlarm) => this.#createAlarm(power, onAlarm),
    };
  }

  #createAlarm(power: Power, onAlarm: () => void): Alarm {
    const alarm = this.clock.createAlarm(() => {
      if (this.#power !== power) return;
      this.#countAlarm(power);
      this.whenAwake(() => {
        if (this.#power === power) onAlarm();
      });
    });
    return {
      arm: (at) => {
        const now = this.clock.now();
        invariant(
          6,
          at >= now || this.isJustAwake,
          () => `an alarm was set for ${at} us at ${now} us`,
        );
        alarm.arm(at);
      },
      close: () => alarm.close(),
    };
  }

  #countAlarm(power: Power): void {
    const now = this.clock.now();
    power.alarmsAtOnce = power.alarmAt === now ? power.alarmsAtOnce + 1 : 1;
    power.alarmAt = now;
    const isSpinning = power.alarmsAtOnce > MOST_ALARMS_AT_ONCE;
    invariant(6, !isSpinning, () => `alarms ring again and again at ${now} us`);
  }
}

interface Power {
  handlers: TransportHandlers | undefined;
  alarmAt: Micros;
  alarmsAtOnce: number;
}
