import { Channel, SECOND, type Micros } from '@oxmem/tloe-protocol';
import { SimulationStuckError } from '@oxmem/tloe-protocol/testing';
import type { DriverSide } from './driver-side.ts';
import { happeningsEnd, sliceStart, type Happening, type SimulationPlan } from './plan.ts';
import { Recorder, type TraceSink } from './recorder.ts';
import { Violation, invariant } from './violation.ts';
import { World, type Place } from './world.ts';

/** What came of a run in which every invariant held. */
export interface RunReport {
  /** The same for the same run. */
  readonly hash: string;
  readonly frames: number;
  readonly events: number;
  /** Virtual time that passed. */
  readonly micros: Micros;
  /** Operations answered, and those of them with an error. */
  readonly done: number;
  readonly failed: number;
  /** The longest that an operation took. */
  readonly longestMicros: Micros;
  /** What each driver took the endpoint for; undefined: it never opened. */
  readonly profiles: readonly (string | undefined)[];
  /** What a persona suffered that the real one would suffer from. */
  readonly harm: readonly string[];
}

/**
 * Runs a plan to its end.
 *
 * @throws Violation when an invariant does not hold; whatever else the code under test throws
 */
export async function runPlan(plan: SimulationPlan, trace?: TraceSink): Promise<RunReport> {
  return new Run(plan, new Recorder(trace)).run();
}

/** How long an operation may take: see `docs/testing.md`. */
export function promisedMicros(plan: SimulationPlan): Micros {
  const timeouts = plan.drivers.map(({ requestTimeoutMicros }) => requestTimeoutMicros);
  // Who waits for a range behind a write that was swallowed, and behind another such one, waits for
  // both.
  const times = plan.endpoint.habits.includes('silent-opcodes') ? 2 : 1;
  return times * PROMISED_TIMEOUTS * Math.max(...timeouts) + plan.faultsEndAt + 2 * SECOND;
}

/**
 * Five time-outs of a request's own, ten before that if its range is still that of a write which was
 * given up and might yet land; and the steps in which all this is looked at.
 */
const PROMISED_TIMEOUTS = 20;

/** A run goes: open, work, be quiet, read everything back, close. */
class Run {
  readonly #world: World;
  readonly #plan: SimulationPlan;
  readonly #lastTrouble: Micros;
  #done = 0;
  #failed = 0;
  #longest: Micros = 0;
  #eventsAtStep = 0;

  constructor(plan: SimulationPlan, recorder: Recorder) {
    this.#plan = plan;
    this.#world = new World(plan, recorder);
    this.#lastTrouble = Math.max(plan.faultsEndAt, happeningsEnd(plan));
  }

  async run(): Promise<RunReport> {
    const world = this.#world;
    world.endpoint.start();
    for (const place of world.places) world.startDriver(place);
    for (const happening of this.#plan.happenings) {
      world.clock.schedule(happening.at, () => this.#happen(happening));
    }
    world.clock.schedule(this.#plan.faultsEndAt, () => world.endFaults());
    // Time goes on at least until all trouble is over.
    world.clock.schedule(this.#lastTrouble, () => {});
    const limit = this.#workLimit();
    await this.#until(() => this.#isWorkDone(), limit, 'the work is not done');
    await this.#beQuiet();
    await this.#readBack();
    await this.#closeAll();
    this.#checkMemory();
    return this.#report();
  }

  #report(): RunReport {
    const { recorder, clock, endpoint, places } = this.#world;
    return {
      hash: recorder.hash,
      frames: recorder.frames,
      events: clock.eventsRun,
      micros: clock.now(),
      done: this.#done,
      failed: this.#failed,
      longestMicros: this.#longest,
      profiles: places.map(({ side }) => side?.profile),
      harm: endpoint.harm,
    };
  }

  /** Invariant 5: by then everybody is done, whatever happened before. */
  #workLimit(): Micros {
    const pauses = this.#plan.drivers.flatMap(({ clients }) =>
      clients.map(({ operations }) => operations.reduce((sum, op) => sum + op.pauseMicros, 0)),
    );
    const longestPauses = Math.max(0, ...pauses);
    // A connection that stands still for good, or an endpoint that swallows requests, lets one
    // operation after the other run out of time.
    const most = Math.max(
      ...this.#plan.drivers.flatMap(({ clients }) => clients.map((each) => each.operations.length)),
    );
    const isSwallowing = this.#plan.endpoint.habits.length > 0;
    const turns = this.#isWhole() && !isSwallowing ? 2 : most + 2;
    return this.#lastTrouble + longestPauses + turns * promisedMicros(this.#plan) + 25 * SECOND;
  }

  #happen(happening: Happening): void {
    const world = this.#world;
    const later = (action: () => void): void => {
      if ('forMicros' in happening) {
        world.clock.schedule(world.now + happening.forMicros, action);
      }
    };
    world.recorder.note(world.now, 'world', 99, () => JSON.stringify(happening));
    switch (happening.kind) {
      case 'endpointRestart':
        world.cutPower(happening.keepsMemory);
        later(() => world.endpoint.start());
        return;
      case 'endpointPause':
        world.endpoint.machine.pause(happening.forMicros);
        return;
      case 'driverPause':
        world.machine(happening.driver).pause(happening.forMicros);
        return;
      case 'interfaceDown': {
        const machine = world.machine(happening.driver);
        machine.isDown = true;
        later(() => (machine.isDown = false));
        return;
      }
      case 'driverKill': {
        const place = world.places[happening.driver]!;
        if (place.isLeaving) return;
        this.#retire(place.side);
        world.killDriver(place);
        later(() => world.startDriver(place));
        return;
      }
      case 'driverClose': {
        const place = world.places[happening.driver]!;
        if (place.side === undefined) return;
        const { side } = place;
        place.isLeaving = true;
        place.machine.whenAwake(() => side.close());
      }
    }
  }

  /** Moves time until a condition holds, and checks what must hold after each event. */
  async #until(isReached: () => boolean, limit: Micros, what: string): Promise<void> {
    const { clock } = this.#world;
    for (;;) {
      if (this.#isSettling()) await turn();
      this.#afterEvent();
      if (isReached()) return;
      let events = 0;
      const hasPaused = (): boolean => {
        if (events++ > 0) this.#afterEvent();
        return isReached() || (events > 1 && this.#isSettling());
      };
      const maxMicros = Math.max(0, limit - clock.now());
      try {
        const isOver = clock.runUntil(hasPaused, { maxMicros, maxEvents: MOST_EVENTS });
        invariant(5, isOver || isReached(), () => `${what}, and nothing happens any more`);
      } catch (thrown) {
        if (!(thrown instanceof SimulationStuckError)) throw thrown;
        throw new Violation(5, `${what}: ${thrown.message}; ${this.#whoWaits()}`);
      }
    }
  }

  /** Whether promises are under way. */
  #isSettling(): boolean {
    const { awaiting, places } = this.#world;
    return awaiting.count > 0 || places.some(({ side }) => side?.isSettling === true);
  }

  /** Lets so much time pass. */
  async #pass(micros: Micros): Promise<void> {
    const { clock } = this.#world;
    const end = clock.now() + micros;
    let isOver = false;
    clock.schedule(end, () => (isOver = true));
    await this.#until(() => isOver, end + 1, 'time does not pass');
  }

  #afterEvent(): void {
    const { places, clock } = this.#world;
    for (const place of places) {
      const { side } = place;
      if (side === undefined) continue;
      if (side.profile !== undefined && side.clients.length === 0) this.#opened(place, side);
      side.stepStirredClients();
      side.checkStep(clock.now());
    }
    if (clock.eventsRun - this.#eventsAtStep < EVENTS_PER_LOOK) return;
    this.#eventsAtStep = clock.eventsRun;
    this.#checkPromises();
  }

  #opened(place: Place, side: DriverSide): void {
    this.#checkProfile(side.profile as string);
    side.serve(place.clients);
  }

  /** Invariant 11: the endpoint is recognised for what it is. */
  #checkProfile(profile: string): void {
    const { peer, habits } = this.#plan.endpoint;
    if (habits.length > 0 || this.#plan.corruption !== 'none') return;
    // A successor may hear the endpoint go on with the connection of the dead, and know nobody like it.
    const isUnclear = this.#plan.happenings.some(({ kind }) => kind === 'driverKill');
    const allowed = isUnclear ? [...PROFILES[peer], 'generic'] : PROFILES[peer];
    const text = (): string => `${peer} was taken for ${profile}, not ${allowed.join(' or ')}`;
    invariant(11, allowed.includes(profile), text);
  }

  /** Invariant 5: no operation takes longer than is promised. */
  #checkPromises(): void {
    const { now, places } = this.#world;
    const promised = promisedMicros(this.#plan);
    for (const { side, index } of places) {
      if (side === undefined || this.#plan.drivers[index]!.whenLost === 'wait') continue;
      for (const client of side.clients) {
        const waits = now - client.oldestSentAt;
        const text = (): string => `an operation of driver ${index} waits since ${waits} us`;
        invariant(5, waits <= promised, text);
      }
    }
  }

  #isWorkDone(): boolean {
    const { now, places } = this.#world;
    return now >= this.#lastTrouble && places.every((place) => this.#isPlaceDone(place));
  }

  #isPlaceDone({ side, index, isLeaving }: Place): boolean {
    if (side === undefined) return false;
    if (isLeaving && side.closed === undefined) return false;
    if (side.hasFailedToOpen) return true;
    if (side.profile === undefined) return side.closed !== undefined;
    if (side.clients.every((client) => client.isDone)) return true;
    // Who is told to wait for an endpoint that forgot the connection waits until it is closed.
    const { now } = this.#world;
    return now > this.#lastTrouble + promisedMicros(this.#plan) && this.#isWaiting(index, side);
  }

  #isWaiting(index: number, side: DriverSide): boolean {
    return this.#plan.drivers[index]!.whenLost === 'wait' && !side.isHealthy;
  }

  #whoWaits(): string {
    return this.#world.places
      .map(({ side, index }) => {
        const open = side?.clients.reduce((sum, client) => sum + client.requestsOpen, 0);
        return `driver ${index}: ${side?.memory.state}, link ${side?.link.state}, ${open} open`;
      })
      .join('; ');
  }

  /** Invariants 3, 5 and 7: when there is nothing to do, nothing is done and nothing is kept. */
  async #beQuiet(): Promise<void> {
    const { places, recorder } = this.#world;
    const timeouts = this.#plan.drivers.map(({ requestTimeoutMicros }) => requestTimeoutMicros);
    await this.#pass(11 * Math.max(...timeouts) + 3 * SECOND);
    // Known endpoints resend for ever what nobody acknowledges; drivers have no such excuse.
    const isOurs = this.#plan.endpoint.peer === 'oxmem';
    const sent = (): number => (isOurs ? recorder.frames : recorder.framesOfDrivers);
    const before = sent();
    await this.#pass(QUIET_SECONDS * SECOND);
    const frames = sent() - before;
    const most = this.#mustBeSilent() ? 0 : QUIET_SECONDS * MOST_FRAMES_PER_SECOND;
    invariant(5, frames <= most, () => `${frames} frames are sent when there is nothing to do`);
    for (const place of places) {
      if (place.side?.isHealthy === true && this.#isWhole()) this.#checkQuiet(place, place.side);
    }
  }

  /** Whether every connection is as it was when it began. */
  #isWhole(): boolean {
    return this.#plan.corruption === 'none' || this.#plan.corruption === 'harmless';
  }

  #mustBeSilent(): boolean {
    const { places } = this.#world;
    const isOurs = this.#plan.endpoint.peer === 'oxmem';
    return isOurs && this.#isWhole() && places.every(({ side }) => side?.isHealthy === true);
  }

  #checkQuiet(place: Place, side: DriverSide): void {
    side.checkIdle(this.#plan.endpoint.peer === 'oxmem');
    const { audit } = place;
    if (audit?.isFollowing !== true || this.#plan.endpoint.peer !== 'oxmem') return;
    const { link } = side;
    const granted = 2 ** (this.#plan.endpoint.grantExponents[Channel.A] as number);
    const accounts = [
      ['what the driver believes to have', link.creditsAvailable(Channel.A), granted],
      ['what the driver has', audit.creditsLeft('driver', Channel.A), granted],
      [
        'what the endpoint has',
        audit.creditsLeft('endpoint', Channel.D),
        2 ** (this.#plan.drivers[place.index]!.grantExponents[Channel.D] as number),
      ],
    ] as const;
    for (const [who, left, all] of accounts) {
      invariant(3, left === all, () => `${who} of its ${all} credits is ${left} at the end`);
    }
    const { creditsRestored } = link.stats;
    invariant(3, creditsRestored === 0, () => 'credits of a peer that returns them were restored');
    const { requests, answers } = audit.tally;
    invariant(2, requests === answers, () => `${answers} answers to ${requests} requests`);
  }

  /** Invariant 1 at the end, seen by those who can read: every byte of the memory. */
  async #readBack(): Promise<void> {
    const { places } = this.#world;
    const readers = places.filter(({ side }) => side?.isHealthy === true);
    this.#checkOpened();
    this.#checkSuccess();
    for (const { side, oracle } of readers) {
      side!.clients[0]?.readBack(oracle.sizeBytes, READ_BACK_PIECES);
    }
    const limit = this.#world.now + promisedMicros(this.#plan);
    const isDone = (): boolean =>
      readers.every(
        ({ side, index }) =>
          side!.clients.every((client) => client.isDone) || this.#isWaiting(index, side!),
      );
    await this.#until(isDone, limit, 'the last reads are not done');
    this.#checkSuccess();
  }

  /** Invariant 5: an endpoint of ours is reached, whatever was before. */
  #checkOpened(): void {
    // An endpoint that restarts in the midst of an opening leaves it without an end.
    const isExcused = this.#plan.happenings.some(({ kind }) => kind === 'endpointRestart');
    if (this.#plan.endpoint.peer !== 'oxmem' || !this.#isWhole() || isExcused) return;
    for (const { side, index, isLeaving } of this.#world.places) {
      invariant(
        5,
        side?.hasFailedToOpen !== true || isLeaving,
        () => `driver ${index} could not open`,
      );
    }
  }

  #checkSuccess(): void {
    if (!this.#plan.mustSucceed) return;
    for (const { side, index } of this.#world.places) {
      const failed = side?.clients.reduce((sum, client) => sum + client.failed, 0);
      const isFine = side?.profile !== undefined && failed === 0;
      const text = (): string => `driver ${index} has ${failed} failed operations`;
      invariant(5, isFine, text);
    }
  }

  /** Invariant 9: a close ends in bounded time. */
  async #closeAll(): Promise<void> {
    const { places, now } = this.#world;
    for (const { side } of places) {
      for (const client of side?.clients ?? []) client.stop();
      if (side?.closed === undefined) side?.close();
    }
    const isClosed = (): boolean => places.every(({ side }) => side?.closed !== undefined);
    try {
      await this.#until(isClosed, now + SECOND, 'a close does not end');
    } catch (thrown) {
      if (!(thrown instanceof Violation) || thrown.invariant !== 5) throw thrown;
      throw new Violation(9, thrown.message, { cause: thrown });
    }
    await this.#pass(5 * SECOND);
    for (const { side } of places) if (side !== undefined) this.#checkClosed(side);
    this.#checkEndpointClosed();
  }

  #checkClosed(side: DriverSide): void {
    const { state } = side.memory;
    invariant(9, state === 'closed', () => `a closed driver is ${state}`);
    const link = side.link.state;
    const isEnded = link === 'closed' || link === 'idle' || side.closed === 'unopened';
    invariant(9, isEnded || side.hasEnded, () => `the link of a closed driver is ${link}`);
    for (const client of side.clients) {
      invariant(9, client.isDone, () => 'an operation is open after the close');
      this.#done += client.done;
      this.#failed += client.failed;
      this.#longest = Math.max(this.#longest, client.longestMicros);
      invariant(10, client.disconnect(), () => 'a connection of a client is not let go of');
    }
    const { liveRequests } = side.memory.initiator;
    invariant(7, liveRequests === 0, () => `${liveRequests} requests are alive after the close`);
  }

  #retire(side: DriverSide | undefined): void {
    for (const client of side?.clients ?? []) {
      this.#done += client.done;
      this.#failed += client.failed;
    }
  }

  #checkEndpointClosed(): void {
    const { endpoint, places } = this.#world;
    const wereHeard = places.every(({ side }) => side?.closed === 'confirmed');
    if (!wereHeard || this.#plan.corruption !== 'none') return;
    if (this.#plan.endpoint.peer !== 'oxmem') return;
    const open = endpoint.server?.stats().connectionsOpen ?? 0;
    invariant(9, open === 0, () => `the endpoint keeps ${open} connections`);
  }

  /** Invariant 1 at the end, in the memory itself. */
  #checkMemory(): void {
    const { endpoint, places } = this.#world;
    if (this.#plan.corruption === 'any') return;
    for (const { oracle, index, isDeceived } of places) {
      if (isDeceived) continue;
      const start = sliceStart(this.#plan, index);
      const bytes = endpoint.memory.bytes.slice(start, start + oracle.sizeBytes);
      const wrong = oracle.check(0, bytes);
      if (wrong === undefined) continue;
      const { offset, actual, allowed } = wrong;
      const what = `slice ${index} holds ${actual} at ${offset}, not ${allowed.join(' or ')}`;
      throw new Violation(1, what);
    }
  }
}

/** What the driver may take each endpoint for. */
const PROFILES: Readonly<Record<SimulationPlan['endpoint']['peer'], readonly string[]>> = {
  oxmem: ['oxmem'],
  plain: ['oxmem'],
  memnode: ['memnode'],
  etri: ['etri'],
  wdhw: ['wdhw'],
  'wdhw-103': ['wdhw'],
};

/** More than any run needs. */
const MOST_EVENTS = 2_000_000;
const EVENTS_PER_LOOK = 64;
const QUIET_SECONDS = 5;
/** Of a driver that asks after an endpoint which is gone, or answers one that repeats itself. */
const MOST_FRAMES_PER_SECOND = 300;
const READ_BACK_PIECES = 8;

/** A turn of the event loop, in which promises settle. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
