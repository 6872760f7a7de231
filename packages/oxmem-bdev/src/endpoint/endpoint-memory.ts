import {
  MemoryStatus,
  RemoteMemory,
  SECOND,
  assert,
  type Alarm,
  type CallableMemory,
  type Clock,
  type CloseResult,
  type FrameTransport,
  type Initiator,
  type InitiatorConfig,
  type Link,
  type LinkHost,
  type MemoryRequest,
  type Micros,
  type OpenResult,
  type RemoteMemoryConfig,
} from '@oxmem/tloe-protocol';

import type { MemoryAccess } from '../device/memory-access.ts';
import type { Proof } from '../witness/prove-contents.ts';
import { ConnectionTotals } from './connection-totals.ts';
import {
  hasConnection,
  nextEndpointState,
  type EndpointState,
  type EndpointTransition,
} from './endpoint-state.ts';
import { SharedTransport } from './shared-transport.ts';

/** How an endpoint is spoken to. */
export interface EndpointMemoryConfig {
  /** Of each connection. */
  readonly connection: Omit<RemoteMemoryConfig, 'initiator'> & {
    readonly initiator: Omit<InitiatorConfig, 'firstSource'>;
  };
  /** Source identifiers of a connection begin here: 0 .. 2^26 - 1, another number each time. */
  readonly drawSource: () => number;
  /** Time for the endpoint to answer an Open, but the first. */
  readonly openTimeoutMicros: Micros;
  /** Whether an endpoint that has forgotten the connection may prove what it holds. */
  readonly whenRestarted: 'prove' | 'fail';
}

/** What an EndpointMemory needs of its surroundings. */
export interface EndpointMemoryPorts {
  /** Belongs to it from now on. */
  readonly transport: FrameTransport;
  readonly clock: Clock;
  /** Those who remember what the endpoint holds. */
  readonly witnesses: {
    /** Whether there is anything to compare with. */
    readonly canTestify: boolean;
    prove(memory: CallableMemory): Promise<Proof>;
  };
}

/** Why no new connection is opened, or none would be trusted. */
export type NoReturn = 'not wanted' | 'no proof possible' | 'second Open not understood';

/** Is told how the endpoint fares. */
export interface EndpointObserver {
  /** No acknowledgement for so long: requests fail or wait. */
  onLost(silentMicros: Micros): void;
  /** The endpoint answers again, and still holds the connection. */
  onRecovered(): void;
  /** It is silent still, but the connection is kept, for `why`. */
  onStillLost(why: NoReturn): void;
  /** The connection is given up for a new one. */
  onGivenUp(why: 'silent' | 'closed by the endpoint'): void;
  /** The endpoint has closed the connection and there will be no other one, for `why`. */
  onStranded(why: NoReturn): void;
  /** On a new connection it has shown that it holds what was written: requests are served again. */
  onProven(): void;
  /** It has not; told once. `reason`: half a sentence. */
  onDisproved(reason: string): void;
  /** The transport has failed: nothing will work any more. */
  onEnded(error: Error): void;
}

/**
 * The memory of one endpoint, over one connection after another.
 *
 * An endpoint that was restarted has forgotten the connection, and maybe its memory; the protocol has
 * no word for either. So when a silent endpoint has not come back with its connection for a while,
 * that is given up, and a new one opened. It serves only after the endpoint has shown that it holds
 * what was seen of it before; until then, and if it does not, requests fail, or wait for the outcome.
 *
 * Nothing of an old connection takes effect after something of a new one: its last frame has left
 * `QUIET_MICROS` before the first Open does, which is longer than frames live in an Ethernet, and
 * which puts it before the Open also in the queues of an endpoint that stood still. The Open makes
 * the endpoint drop what it knows of the old connection. And there is no way back: a connection after
 * which an Open was sent is never used again, because an endpoint that has taken the Open could take
 * an old frame for one of the new connection.
 */
export class EndpointMemory implements MemoryAccess {
  readonly #config: EndpointMemoryConfig;
  readonly #ports: EndpointMemoryPorts;
  readonly #observer: EndpointObserver;
  readonly #transport: SharedTransport;
  readonly #alarm: Alarm;
  /** Requests that have outlived their connection. */
  readonly #kept: MemoryRequest[] = [];
  /** Of the connections before the present one. */
  readonly #departed = new ConnectionTotals();
  #memory: RemoteMemory;
  #state: EndpointState = 'unopened';
  #hasBeenOpen = false;
  /** Counts connections: what an older one tells is not listened to. */
  #turn = 0;
  /** There is no connection between an old one and the next. */
  #isGivenUp = false;
  #pauseMicros: Micros = QUIET_MICROS;
  /** The endpoint has failed to prove what it holds, and has not done so since. */
  #isDisproved = false;
  #closing: Promise<CloseResult> | undefined = undefined;

  constructor(
    config: EndpointMemoryConfig,
    ports: EndpointMemoryPorts,
    observer: EndpointObserver,
  ) {
    this.#config = config;
    this.#ports = ports;
    this.#observer = observer;
    this.#transport = new SharedTransport(ports.transport, (error) => this.#transportFailed(error));
    this.#alarm = ports.clock.createAlarm(() => this.#timePassed());
    this.#memory = this.#connect();
  }

  get state(): EndpointState {
    return this.#state;
  }

  /** The link, host and initiator of the present connection, or of the last one. */
  get link(): Link {
    return this.#memory.link;
  }

  get host(): LinkHost {
    return this.#memory.host;
  }

  get initiator(): Initiator {
    return this.#memory.initiator;
  }

  /** What all connections so far have counted; a new object. */
  totals(): ConnectionTotals {
    return this.#departed.plus(this.#memory);
  }

  /** Whether there was ever a connection. */
  get hasBeenOpen(): boolean {
    return this.#hasBeenOpen;
  }

  get isHealthy(): boolean {
    return this.#state === 'serving' && this.link.state === 'open' && !this.link.isLost;
  }

  get isRefusing(): boolean {
    if (this.#state === 'lost') return this.#whenLost === 'fail';
    return !hasConnection(this.#state) && !this.#isWaiting();
  }

  /** Opens the first connection, which nothing needs to be proven of. Called once. */
  async open(timeoutMicros: Micros): Promise<OpenResult> {
    const result = await this.#memory.open(timeoutMicros);
    if (result.isOpen && this.#state === 'unopened') {
      this.#hasBeenOpen = true;
      this.#go('opened');
    }
    return result;
  }

  submit(request: MemoryRequest): void {
    if (hasConnection(this.#state)) this.#memory.submit(request);
    else if (this.#isWaiting()) this.#kept.push(request);
    else request.owner.requestDone(request, this.#refusal());
  }

  kick(): void {
    this.#memory.kick();
  }

  keeps(request: MemoryRequest, status: MemoryStatus): boolean {
    if (status !== MemoryStatus.closed || !this.#isWaiting()) return false;
    this.#kept.push(request);
    return true;
  }

  /**
   * Closes the connection and the transport. What is still in flight fails with `closed`. Resolves
   * within the link's `closeTimeoutMicros`. May be called again.
   */
  close(): Promise<CloseResult> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<CloseResult> {
    this.#end(MemoryStatus.closed);
    const how = this.#isGivenUp ? 'unopened' : await this.#memory.close();
    this.#transport.close();
    return how;
  }

  /** Whether a request that cannot be sent now is kept until it can be. */
  #isWaiting(): boolean {
    const isHopeless = this.#isDisproved || this.#state === 'closed' || this.#state === 'stranded';
    return this.#whenLost === 'wait' && !isHopeless;
  }

  get #whenLost(): 'fail' | 'wait' {
    return this.#config.connection.initiator.reissue.whenLost;
  }

  /** What becomes of requests while there is no connection for them. */
  #refusal(): MemoryStatus {
    if (this.#state === 'closed') return MemoryStatus.closed;
    const isUnproven = this.#isDisproved || this.#state === 'stranded';
    return isUnproven ? MemoryStatus.unproven : MemoryStatus.lost;
  }

  #connect(): RemoteMemory {
    const turn = ++this.#turn;
    const { connection, drawSource } = this.#config;
    const initiator = { ...connection.initiator, firstSource: drawSource() };
    const ports = { transport: this.#transport.lease(), clock: this.#ports.clock };
    const isOver = (): boolean => turn !== this.#turn || this.#state === 'closed';
    return new RemoteMemory({ ...connection, initiator }, ports, {
      onLost: (silentMicros) => {
        if (!isOver()) this.#lost(silentMicros);
      },
      onRecovered: () => {
        if (!isOver()) this.#recovered();
      },
      onEnded: (error) => {
        if (isOver()) return;
        if (error === undefined) this.#closedByPeer();
        else this.#transportFailed(error);
      },
    });
  }

  #lost(silentMicros: Micros): void {
    if (this.#state !== 'serving') {
      this.#openAnew();
      return;
    }
    this.#go('silent');
    this.#observer.onLost(silentMicros);
    this.#armIn(PATIENCE_MICROS);
  }

  #recovered(): void {
    if (this.#state !== 'lost') return;
    this.#alarm.arm(Infinity);
    this.#go('answered');
    this.#observer.onRecovered();
  }

  #closedByPeer(): void {
    if (this.#state === 'opening') return; // `open` says so as well.
    if (this.#state === 'proving' || this.#state === 'doubtful') {
      this.#openAnew();
      return;
    }
    const obstacle = this.#obstacle();
    if (obstacle === undefined) {
      this.#observer.onGivenUp('closed by the endpoint');
      this.#openAnew();
      return;
    }
    this.#alarm.arm(Infinity);
    this.#go('refused');
    this.#observer.onStranded(obstacle);
    this.#failKept();
  }

  #timePassed(): void {
    if (this.#state === 'lost') this.#stillLost();
    else if (this.#state === 'quiet') void this.#tryToOpen();
    else if (this.#state === 'doubtful') void this.#prove();
  }

  /** The endpoint had its time to come back with the connection. */
  #stillLost(): void {
    const isUnderstood = this.link.profile.startsAnewOnOpen;
    const obstacle = this.#obstacle() ?? (isUnderstood ? undefined : 'second Open not understood');
    if (obstacle !== undefined) {
      this.#observer.onStillLost(obstacle);
      return;
    }
    this.#observer.onGivenUp('silent');
    this.#openAnew();
  }

  #obstacle(): NoReturn | undefined {
    if (this.#config.whenRestarted === 'fail') return 'not wanted';
    return this.#ports.witnesses.canTestify ? undefined : 'no proof possible';
  }

  /** Gives the connection up, and opens another one after a pause. */
  #openAnew(): void {
    this.#go('givenUp');
    this.#turn++;
    this.#isGivenUp = true;
    this.#memory.host.close();
    this.#memory.initiator.fail(MemoryStatus.closed);
    this.#armIn(this.#pauseMicros);
    this.#pauseMicros = Math.min(2 * this.#pauseMicros, LONGEST_PAUSE_MICROS);
  }

  async #tryToOpen(): Promise<void> {
    this.#go('timePassed');
    this.#departed.add(this.#memory);
    this.#memory = this.#connect();
    this.#isGivenUp = false;
    const turn = this.#turn;
    const { isOpen } = await this.#memory.open(this.#config.openTimeoutMicros);
    if (turn !== this.#turn || this.#state !== 'opening') return;
    if (!isOpen) {
      this.#openAnew();
      return;
    }
    await this.#prove();
  }

  async #prove(): Promise<void> {
    this.#go(this.#state === 'opening' ? 'opened' : 'timePassed');
    const turn = this.#turn;
    const proof = await this.#ports.witnesses.prove(this.#memory);
    if (turn !== this.#turn || this.#state !== 'proving') return;
    if (proof.isProven) this.#serveAgain();
    else if (proof.isAnswered) this.#disproved(proof.reason);
    else this.#openAnew();
  }

  #serveAgain(): void {
    this.#go('proven');
    this.#isDisproved = false;
    this.#pauseMicros = QUIET_MICROS;
    this.#observer.onProven();
    for (const request of this.#kept.splice(0)) this.#memory.submit(request);
    this.#memory.kick();
  }

  #disproved(reason: string): void {
    this.#go('disproved');
    this.#armIn(LOOK_AGAIN_MICROS);
    if (this.#isDisproved) return;
    this.#isDisproved = true;
    this.#observer.onDisproved(reason);
    this.#failKept();
  }

  #transportFailed(error: Error): void {
    if (this.#state === 'closed') return;
    this.#memory.initiator.fail(MemoryStatus.lost);
    this.#end(MemoryStatus.lost);
    this.#observer.onEnded(error);
  }

  #end(status: MemoryStatus): void {
    this.#state = 'closed';
    this.#alarm.close();
    this.#failKept(status);
  }

  #failKept(status: MemoryStatus = this.#refusal()): void {
    for (const request of this.#kept.splice(0)) request.owner.requestDone(request, status);
  }

  #armIn(micros: Micros): void {
    this.#alarm.arm(this.#ports.clock.now() + micros);
  }

  #go(transition: EndpointTransition): void {
    const next = nextEndpointState(this.#state, transition);
    assert(next !== undefined, `no ${transition} in state ${this.#state}`);
    this.#state = next;
  }
}

/** A silent endpoint has so long to come back with its connection, from the loss on. */
export const PATIENCE_MICROS: Micros = 2 * SECOND;
/**
 * Between the last frame of a connection and the Open of the next one: a bridge may hold a frame for
 * a second at most, as IEEE 802.1D recommends. Doubled with each try, up to `LONGEST_PAUSE_MICROS`.
 */
export const QUIET_MICROS: Micros = SECOND;
const LONGEST_PAUSE_MICROS: Micros = 8 * SECOND;
/** How often an endpoint that did not hold what was written is looked at again. */
const LOOK_AGAIN_MICROS: Micros = 10 * SECOND;
