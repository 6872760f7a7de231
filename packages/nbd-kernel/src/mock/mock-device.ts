import type { Mount, Opener } from '../device-facts.ts';
import type { AttachWay } from '../attach-strategy.ts';
import { MockClient, Type, ioError } from './mock-client.ts';
import type { KernelEnd, Schedule } from './mock-stream.ts';

/** What a mock device is attached with. */
export interface MockConfig {
  sizeBytes: number;
  blockBytes: number;
  flags: number;
  timeoutSeconds: number;
  deadConnectionSeconds: number;
  backendIdentifier: string | undefined;
}

type Request = ReturnType<MockClient['takeRequests']>[number];

/**
 * One NBD device of a mock kernel, with the driver's rules about who may have it, and knobs to be
 * the rest of the machine: programs that open it, mount it, read and write it, signals, dead
 * connections.
 */
export class MockDevice {
  readonly index: number;
  /** Content of the pid file: the device is configured. */
  pid: number | undefined = undefined;
  way: AttachWay | undefined = undefined;
  config: MockConfig | undefined = undefined;
  /** Times that the kernel has read the partition table. */
  partitionScans = 0;
  /** Times that the page cache was written. */
  flushes = 0;
  readonly mounts: Mount[] = [];
  readonly swaps: string[] = [];
  readonly holders: string[] = [];
  /** A filesystem that is mounted nowhere any more still writes. */
  isUnmounting = false;
  readonly openers: Set<Opener> = new Set<Opener>();
  readonly #schedule: Schedule;
  readonly #onLinkDead: (index: number) => void;
  readonly #clients: MockClient[] = [];
  readonly #parked: Request[] = [];
  #wasDisconnectAsked = false;
  #endServe: ((errno: number) => void) | undefined = undefined;

  constructor(index: number, schedule: Schedule, onLinkDead: (index: number) => void) {
    this.index = index;
    this.#schedule = schedule;
    this.#onLinkDead = onLinkDead;
  }

  /** Sockets that the driver has and that are alive. */
  get liveConnections(): number {
    return this.#clients.filter(({ end }) => !end.isDead).length;
  }

  get requestsInFlight(): number {
    return this.#clients.reduce((sum, client) => sum + client.requestsInFlight, 0);
  }

  get hasSockets(): boolean {
    return this.#clients.length > 0;
  }

  /** A program opens the node, as udev does for a moment. @returns what closes it */
  open(opener: Opener): () => void {
    this.openers.add(opener);
    return () => {
      this.openers.delete(opener);
      this.releaseIfUnused();
    };
  }

  /** A program reads the device. Rejects with EIO as the kernel would. */
  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#request({ type: Type.Read, offset, length, payload: undefined });
  }

  write(offset: number, bytes: Uint8Array): Promise<Uint8Array> {
    return this.#request({ type: Type.Write, offset, length: bytes.length, payload: bytes });
  }

  flush(): Promise<Uint8Array> {
    this.flushes++;
    return this.#request({ type: Type.Flush, offset: 0, length: 0, payload: undefined });
  }

  /** A signal reaches the thread in NBD_DO_IT ('EINTR'), or it is stopped and continued. */
  interrupt(errno: number): void {
    this.#finishServe(errno);
  }

  /** A request has waited too long, or another process has cleared the sockets. */
  dropConnections(): void {
    for (const client of this.#clients) client.end.shutDown();
    this.#noteDeadSockets();
  }

  /** For the binding: adds a socket to the device. */
  addSocket(end: KernelEnd): void {
    const client: MockClient = new MockClient(end, {
      onWrongReply: () => {
        end.shutDown();
        this.#noteDeadSockets();
      },
    });
    end.listener = {
      onBytes: (bytes) => client.receive(bytes),
      onServerGone: () => this.#noteDeadSockets(),
    };
    this.#clients.push(client);
  }

  /**
   * For RECONFIGURE: puts a socket in the place of a dead one.
   *
   * @returns false when none is dead; the kernel discards the socket without a word
   */
  replaceDeadSocket(end: KernelEnd): boolean {
    const dead = this.#clients.findIndex((client) => client.end.isDead);
    if (dead < 0) return false;
    const requests = this.#clients.splice(dead, 1)[0]?.takeRequests() ?? [];
    this.addSocket(end);
    for (const request of [...this.#parked.splice(0), ...requests]) this.#submit(request);
    return true;
  }

  /** For NBD_DO_IT: settled with its errno. */
  serve(pid: number): Promise<number> {
    this.pid = pid;
    this.#wasDisconnectAsked = false;
    return new Promise((resolve) => {
      this.#endServe = resolve;
    });
  }

  /** For NBD_DISCONNECT. */
  sayDisconnect(): void {
    this.#wasDisconnectAsked = true;
    for (const { end } of this.#clients) if (!end.isDead) this.#clientOf(end)?.sendDisconnect();
  }

  /** For NBD_CMD_DISCONNECT: all at once. */
  disconnectNow(): void {
    this.sayDisconnect();
    this.dropConfiguration();
  }

  /** For NBD_CLEAR_SOCK of a process that does not serve the device. */
  dropConfiguration(): void {
    this.clearSockets();
    this.#finishServe(0);
    if (this.way === 'netlink') this.way = undefined;
    this.releaseIfUnused();
  }

  /** For NBD_CLEAR_SOCK. */
  clearSockets(): void {
    for (const client of this.#clients.splice(0)) {
      client.end.shutDown();
      for (const request of client.takeRequests()) this.#failLater(request);
    }
    for (const request of this.#parked.splice(0)) this.#failLater(request);
  }

  /** The last one who lets go ends the configuration. */
  releaseIfUnused(): void {
    const isServed = this.#endServe !== undefined || this.way === 'netlink';
    if (isServed || this.openers.size > 0) return;
    this.pid = undefined;
    this.way = undefined;
    this.config = undefined;
    this.#clients.length = 0;
  }

  #request(what: Omit<Request, 'settle'>): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const settle: Request['settle'] = (error, data) =>
        error === undefined ? resolve(data ?? new Uint8Array(0)) : reject(error);
      this.#submit({ ...what, settle });
    });
  }

  #submit(request: Request): void {
    const client = this.#clients.find(({ end }) => !end.isDead);
    if (client !== undefined) client.submit(request);
    else if (this.way === 'netlink' && (this.config?.deadConnectionSeconds ?? 0) > 0) {
      this.#parked.push(request);
    } else this.#failLater(request);
  }

  #noteDeadSockets(): void {
    if (this.way === 'netlink' && !this.#wasDisconnectAsked) this.#onLinkDead(this.index);
    if (this.liveConnections === 0) this.#finishServe(0);
  }

  /** NBD_DO_IT returns, and NBD_CLEAR_SOCK follows at once. */
  #finishServe(errno: number): void {
    const endServe = this.#endServe;
    if (endServe === undefined) return;
    this.#endServe = undefined;
    this.#schedule(() => {
      this.clearSockets();
      this.way = undefined;
      endServe(errno);
      this.releaseIfUnused();
    });
  }

  #clientOf(end: KernelEnd): MockClient | undefined {
    return this.#clients.find((client) => client.end === end);
  }

  #failLater(request: Request): void {
    this.#schedule(() => request.settle(ioError('the device has no connection'), undefined));
  }
}
