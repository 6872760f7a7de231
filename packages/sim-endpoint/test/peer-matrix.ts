import {
  ADDRESS_ZERO,
  ByteRegion,
  DEFAULT_REISSUE_POLICY,
  MILLISECOND,
  MemoryRequest,
  MemoryStatus,
  RemoteMemory,
  RequestKind,
  SECOND,
  type FrameTransport,
  type Micros,
  type ReissuePolicy,
  type TransportHandlers,
} from '@oxmem/tloe-protocol';
import {
  MAC_A,
  MAC_B,
  MemoryNetwork,
  MemoryOracle,
  Prng,
  VirtualClock,
  directionFaults,
  type DirectionFaults,
  type ScriptedFault,
} from '@oxmem/tloe-protocol/testing';
import {
  PersonaEndpoint,
  SparseMemory,
  composeServer,
  type EndpointPersonaName,
  type MemoryServer,
} from '../src/index.ts';

/** One kind of trouble. */
export interface MatrixFault {
  readonly name: string;
  /** On frames from the driver, and from the endpoint. */
  readonly wire?: (prng: Prng) => readonly [DirectionFaults, DirectionFaults];
  /** In the words of `--fault`, at the endpoint. */
  readonly endpoint?: readonly string[];
  /** The endpoint is replaced by a new one in mid-load. */
  readonly restart?: 'withMemory' | 'withoutMemory';
  /** Whether frames overtake each other, which some endpoints suffer from whatever the driver does. */
  readonly reorders?: boolean;
  /** Whether requests may fail; otherwise all must succeed. */
  readonly mayFail: boolean;
}

const both = (changes: Partial<DirectionFaults>) => {
  const faults = directionFaults(changes);
  return () => [faults, faults] as const;
};

/** Bits of the EtherType: whoever gets such a frame takes it for something else. */
const NOTICED_BITS = [96, 101, 106, 111];

function noticedCorruption(prng: Prng): DirectionFaults {
  const script: ScriptedFault[] = [];
  for (let frame = prng.below(20); frame < 5000; frame += 1 + prng.below(20)) {
    script.push({ kind: 'corrupt', frame, bit: prng.pick(NOTICED_BITS) });
  }
  return directionFaults({ script });
}

function cuts(prng: Prng, count: number, longest: Micros): DirectionFaults {
  const script: ScriptedFault[] = [];
  let from = prng.below(50 * MILLISECOND);
  for (let i = 0; i < count; i++) {
    const until = from + prng.below(longest);
    script.push({ kind: 'cut', from, until });
    from = until + prng.below(100 * MILLISECOND);
  }
  return directionFaults({ script });
}

const sometimes = { duplicate: 0.02, reorder: 0.05, reorderDepthFrames: 3 };

/** All kinds of trouble, one row each. */
export const MATRIX_FAULTS: readonly MatrixFault[] = [
  { name: 'none', mayFail: false },
  { name: 'loss 5 %', wire: both({ loss: 0.05 }), mayFail: false },
  { name: 'loss 20 %', wire: both({ loss: 0.2 }), mayFail: true },
  {
    name: 'loss of requests',
    wire: () => [directionFaults({ loss: 0.1 }), directionFaults({})],
    mayFail: false,
  },
  {
    name: 'loss of answers',
    wire: () => [directionFaults({}), directionFaults({ loss: 0.1 })],
    mayFail: false,
  },
  { name: 'duplication', wire: both({ duplicate: 0.2 }), mayFail: false },
  {
    name: 'reordering',
    wire: both({ reorder: 0.2, reorderDepthFrames: 4 }),
    reorders: true,
    mayFail: false,
  },
  {
    name: 'corruption that shows',
    wire: (prng) => [noticedCorruption(prng), noticedCorruption(prng)],
    mayFail: false,
  },
  {
    name: 'delay and jitter',
    wire: both({ delayMicros: 2_000, jitterMicros: 5_000 }),
    mayFail: false,
  },
  {
    name: 'bursts',
    wire: both({ ...sometimes, bursts: { enter: 0.01, leave: 0.1, loss: 0.9 } }),
    reorders: true,
    mayFail: true,
  },
  {
    name: 'short outages',
    wire: (prng) => [cuts(prng, 5, 400 * MILLISECOND), cuts(prng, 5, 400 * MILLISECOND)],
    mayFail: false,
  },
  {
    name: 'a long outage',
    wire: () => {
      const cut = { kind: 'cut', from: 200 * MILLISECOND, until: 20 * SECOND } as const;
      return [directionFaults({ script: [cut] }), directionFaults({ script: [cut] })];
    },
    mayFail: true,
  },
  { name: 'stalls', endpoint: ['stall=1%/150ms'], mayFail: false },
  { name: 'denials', endpoint: ['deny=5%'], mayFail: true },
  { name: 'answers marked corrupt', endpoint: ['spoil=5%'], mayFail: true },
  { name: 'restart with memory', restart: 'withMemory', mayFail: true },
  { name: 'restart without memory', restart: 'withoutMemory', mayFail: true },
];

/** What came of one run. */
export interface MatrixResult {
  readonly isOpen: boolean;
  readonly profile: string;
  readonly done: number;
  readonly failed: number;
  /** Longest time from submission to completion. */
  readonly longestMicros: Micros;
  /** Reads with a byte that nobody wrote there. */
  readonly wrong: readonly string[];
  /** Why the endpoint does nothing any more, and what it suffered. */
  readonly harm: readonly string[];
}

const SIZE = 2 ** 13;
const OPERATIONS = 50;
const WORKERS = 4;

/** A driver on an endpoint that plays somebody, under one kind of trouble. */
export class MatrixRun {
  readonly clock: VirtualClock = new VirtualClock();
  readonly network: MemoryNetwork;
  readonly driver: RemoteMemory;
  readonly #prng: Prng;
  readonly #fault: MatrixFault;
  readonly #persona: EndpointPersonaName | undefined;
  readonly #station: Station;
  readonly #oracle = new MemoryOracle(SIZE);
  readonly #wrong: string[] = [];
  readonly #harm: string[] = [];
  #server: MemoryServer;
  #memory = new SparseMemory(SIZE);
  #done = 0;
  #failed = 0;
  #longest: Micros = 0;

  // oxlint-disable-next-line max-params -- a cell of the matrix, a seed, and what differs
  constructor(
    persona: EndpointPersonaName | undefined,
    fault: MatrixFault,
    seed: number,
    reissue: Partial<ReissuePolicy> = {},
  ) {
    this.#prng = new Prng(seed);
    this.#fault = fault;
    this.#persona = persona;
    const [forward, backward] = fault.wire?.(this.#prng.fork('wire')) ?? [undefined, undefined];
    this.network = new MemoryNetwork(this.clock, this.#prng.fork('network'));
    const transport = this.network.attach({ mac: MAC_A, ...(forward && { faults: forward }) });
    const far = this.network.attach({ mac: MAC_B, ...(backward && { faults: backward }) });
    this.#station = new Station(far);
    this.#server = this.#startServer();
    this.driver = new RemoteMemory(
      {
        peerMac: MAC_B,
        initiator: {
          base: ADDRESS_ZERO,
          sizeBytes: SIZE,
          dataOrder: 'raw',
          window: this.#prng.pick([4, 64]),
          maxAccessLog2: 10,
          firstSource: this.#prng.below(60_000),
          reissue: { ...DEFAULT_REISSUE_POLICY, ...reissue },
        },
      },
      { transport, clock: this.clock },
      { onLost: () => {}, onRecovered: () => {}, onEnded: () => {} },
    );
  }

  async run(): Promise<MatrixResult> {
    const opened = await this.#until(this.driver.open(10 * SECOND), 11 * SECOND);
    if (opened.isOpen) {
      if (this.#fault.restart !== undefined) this.#restartSoon();
      await this.#until(this.#workload(), 600 * SECOND);
    }
    await this.#until(this.driver.close(), 5 * SECOND);
    this.#noteHarm();
    this.#server.close();
    return {
      isOpen: opened.isOpen,
      profile: opened.isOpen ? opened.profile.name : '-',
      done: this.#done,
      failed: this.#failed,
      longestMicros: this.#longest,
      wrong: this.#wrong,
      harm: this.#harm,
    };
  }

  #startServer(): MemoryServer {
    const server = composeServer(
      {
        sizeBytes: SIZE,
        memory: this.#memory,
        seed: this.#prng.nextUint32(),
        ...(this.#persona && { persona: this.#persona }),
        ...(this.#fault.endpoint && { faults: this.#fault.endpoint }),
      },
      { transport: this.#station.plugIn(), clock: this.clock },
    );
    server.start();
    return server;
  }

  #restartSoon(): void {
    this.clock.schedule(this.clock.now() + this.#prng.below(200 * MILLISECOND), () => {
      this.#noteHarm();
      this.#server.close();
      if (this.#fault.restart === 'withoutMemory') this.#memory = new SparseMemory(SIZE);
      this.clock.schedule(this.clock.now() + this.#prng.below(50 * MILLISECOND), () => {
        this.#server = this.#startServer();
      });
    });
  }

  #noteHarm(): void {
    if (!(this.#server instanceof PersonaEndpoint)) return;
    if (this.#server.end !== undefined) this.#harm.push(this.#server.end);
    if (this.#fault.reorders !== true) this.#harm.push(...this.#server.sufferings);
  }

  async #workload(): Promise<void> {
    let started = 0;
    const worker = async (): Promise<void> => {
      while (started++ < OPERATIONS) {
        const length = 1 + this.#prng.below(this.#prng.pick([8, 300, 3000]));
        const offset = this.#prng.below(SIZE - length);
        const from = this.clock.now();
        if (this.#prng.chance(0.5)) await this.#write(offset, length);
        else await this.#read(offset, length);
        this.#longest = Math.max(this.#longest, this.clock.now() - from);
        await this.#pause(this.#prng.below(80 * MILLISECOND));
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, worker));
  }

  #pause(micros: Micros): Promise<void> {
    return new Promise((resolve) => {
      this.clock.schedule(this.clock.now() + micros, resolve);
    });
  }

  async #write(offset: number, length: number): Promise<void> {
    const buffer = ByteRegion.allocate(length);
    this.#prng.fillBytes(buffer.bytes);
    const ticket = this.#oracle.beginWrite(offset, buffer.bytes);
    const status = await this.#submit(RequestKind.write, offset, buffer);
    this.#oracle.endWrite(ticket, status === MemoryStatus.ok ? 'ok' : 'failed');
    // What has failed may still be on its way: it may land whenever it likes, but then as a whole.
    if (status !== MemoryStatus.ok) this.#oracle.beginWrite(offset, buffer.bytes);
  }

  async #read(offset: number, length: number): Promise<void> {
    const buffer = ByteRegion.allocate(length);
    const ticket = this.#oracle.beginRead(offset, length);
    const status = await this.#submit(RequestKind.read, offset, buffer);
    const isOk = status === MemoryStatus.ok;
    const mismatch = this.#oracle.endRead(ticket, isOk ? buffer.bytes : undefined);
    if (mismatch !== undefined) {
      const { offset: at, actual, allowed } = mismatch;
      this.#wrong.push(`byte ${at} is ${actual}, not ${allowed.join(' or ')}`);
    }
  }

  async #submit(kind: RequestKind, offset: number, buffer: ByteRegion): Promise<MemoryStatus> {
    const status = await new Promise<MemoryStatus>((resolve) => {
      const request = new MemoryRequest({ requestDone: (_, how) => resolve(how) });
      Object.assign(request, { kind, offset, length: buffer.bytes.length, buffer });
      this.driver.submit(request);
      this.driver.kick();
    });
    if (status === MemoryStatus.ok) this.#done++;
    else this.#failed++;
    return status;
  }

  /** Lets virtual time pass until `promise` is settled. */
  async #until<T>(promise: Promise<T>, limit: Micros): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    const end = this.clock.now() + limit;
    await Promise.resolve();
    while (!isSettled) {
      const { nextAt } = this.clock;
      if (this.clock.now() >= end) throw new Error(`not done after ${limit} us`);
      this.clock.advanceTo(Math.max(this.clock.now(), Math.min(nextAt, end)));
      for (let i = 0; i < 6; i++) await Promise.resolve();
    }
    return promise;
  }
}

/** An interface that survives the programs which use it. */
class Station {
  readonly #transport: FrameTransport;
  #handlers: TransportHandlers | undefined;

  constructor(transport: FrameTransport) {
    this.#transport = transport;
    transport.start({
      onReceiveBatch: (count) => this.#handlers?.onReceiveBatch(count),
      onWritable: () => this.#handlers?.onWritable(),
      onFailure: (error) => this.#handlers?.onFailure(error),
    });
  }

  /** A transport for one more program; closing it leaves the interface as it is. */
  plugIn(): FrameTransport {
    const real = this.#transport;
    let isOpen = true;
    let mine: TransportHandlers | undefined;
    return {
      mtuBytes: real.mtuBytes,
      ownMac: real.ownMac,
      receiveRegion: real.receiveRegion,
      receiveDescriptors: real.receiveDescriptors,
      start: (handlers) => {
        mine = handlers;
        this.#handlers = handlers;
      },
      sendBatch: (region, descriptors, first, count) =>
        isOpen ? real.sendBatch(region, descriptors, first, count) : 0,
      close: () => {
        isOpen = false;
        if (this.#handlers === mine) this.#handlers = undefined;
      },
    };
  }
}
