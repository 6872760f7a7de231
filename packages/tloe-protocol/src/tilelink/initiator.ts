import { assert } from '../assert.ts';
import type { Link } from '../link/link.ts';
import type { MessageReceiver } from '../link/message-receiver.ts';
import type { RemoteAddress } from '../remote-address.ts';
import { NEVER, type Micros } from '../units.ts';
import { Channel, OpcodeD } from '../wire/channel.ts';
import type { MessageView } from '../wire/frame-view.ts';
import { AccessMessages } from './access-message.ts';
import { accessLimits, planAccess, type AccessLimits } from './access-plan.ts';
import { AccessKind, AccessTable, type Access } from './access-table.ts';
import { AnswerProgress } from './answer-progress.ts';
import type { DataOrder } from './data-order.ts';
import { InitiatorStats } from './initiator-stats.ts';
import { MemoryStatus, RequestKind, type MemoryRequest } from './memory-request.ts';
import { ProbeResponder } from './probe-responder.ts';
import { RangeLocks } from './range-lock.ts';
import {
  reissueOf,
  giveUpAfterMicros,
  requestBudgetMicros,
  scanIntervalMicros,
  type ReissuePolicy,
} from './reissue-policy.ts';
import { LiveRequests, ReadyRequests } from './request-lists.ts';
import { WORD_BYTES, WORD_LOG2 } from './split.ts';

/** Settings of an initiator. */
export interface InitiatorConfig {
  /** Address of byte 0 of the memory; a multiple of 8. */
  readonly base: RemoteAddress;
  /** Bytes of the memory; requests beyond it are a programmer's error. */
  readonly sizeBytes: number;
  readonly dataOrder: DataOrder;
  /** Accesses in flight at most, a power of two up to 1024. */
  readonly window: number;
  /** Largest access, log2 bytes, 3 .. 12; the peer's profile and the MTU may lower it. */
  readonly maxAccessLog2: number;
  readonly reissue: ReissuePolicy;
  /** Where source identifiers begin; random on real wires. */
  readonly firstSource: number;
}

/** Parts of a request that are issued before another one has its turn. */
const TURN_PARTS = 32;

/**
 * The TileLink master: reads and writes ranges of remote memory through a link. Splits ranges into
 * aligned accesses, keeps overlapping ones apart, matches answers by source, repeats what got lost
 * behind the link. Sans-IO and without allocation per access. TileLink 1.8.0 §4-7 (TL-UH).
 *
 * `submit` queues; `pump` sends what credits and window allow and is called by the host after each
 * batch of frames or submissions.
 */
export class Initiator implements MessageReceiver {
  readonly config: InitiatorConfig;
  readonly stats: InitiatorStats = new InitiatorStats();
  readonly #table: AccessTable;
  readonly #locks = new RangeLocks<MemoryRequest>((request) => this.#ready.append(request));
  readonly #live = new LiveRequests();
  readonly #ready = new ReadyRequests();
  readonly #queued: Access[] = [];
  #link: Link | undefined = undefined;
  #messages: AccessMessages | undefined = undefined;
  #probes: ProbeResponder | undefined = undefined;
  #limits: AccessLimits;
  #reissue: ReissuePolicy;
  #scanAt: Micros = NEVER;
  readonly #progress = new AnswerProgress();
  #now: Micros = 0;
  #failure: MemoryStatus = MemoryStatus.ok;

  constructor(config: InitiatorConfig) {
    assert(config.base.low % WORD_BYTES === 0, 'the base address is a multiple of 8');
    this.config = config;
    this.#reissue = config.reissue;
    this.#table = new AccessTable(config.window, config.firstSource);
    const word = { maxGetLog2: WORD_LOG2, maxPutLog2: WORD_LOG2 };
    this.#limits = { base: config.base, ...word, hasPutPartial: false };
  }

  /** The link to work over, before it opens. */
  attach(link: Link): void {
    this.#link = link;
    const isReversed = this.config.dataOrder === 'spec';
    this.#messages = new AccessMessages(link, isReversed, this.#table);
    this.#probes = new ProbeResponder(link);
  }

  /** The connection is up and the link knows its peer: fixes the largest accesses. */
  linkOpened(): void {
    const link = this.#link as Link;
    this.#limits = accessLimits(this.config, link);
    this.#reissue = reissueOf(this.config.reissue, link.profile.requestTimeoutMicros);
    this.#failure = MemoryStatus.ok;
  }

  /** The link lost its peer: fails what is in flight and what comes, or lets it wait. */
  linkLost(): void {
    if (this.config.reissue.whenLost === 'fail') this.fail(MemoryStatus.lost);
  }

  /** The peer is back with its connection. */
  linkRecovered(now: Micros): void {
    this.#now = now;
    this.#failure = MemoryStatus.ok;
    this.#progress.restart(now);
    for (let it = this.#live.first; it !== undefined; it = it.nextLive) it.touchedAt = now;
    for (const access of this.#table.accesses) access.reissues = 0;
  }

  /** Fails every request, and each that will be submitted, until `linkRecovered`. */
  fail(status: MemoryStatus): void {
    this.#failure = status;
    while (this.#live.first !== undefined) this.#giveUp(this.#live.first, status);
  }

  /** Requests not done. */
  get liveRequests(): number {
    return this.#live.count;
  }

  /** Accesses whose answer is awaited, also for requests that were given up. */
  get accessesInFlight(): number {
    return this.#table.inFlight;
  }

  /** Ranges in use or waited for. */
  get rangesLocked(): number {
    return this.#locks.count;
  }

  /** Takes a request; its owner is told when it is done, maybe before the call returns. */
  submit(now: Micros, request: MemoryRequest): void {
    assert(!request.isLive, 'the request is not in use');
    assert(request.length > 0 && request.offset >= 0, 'the request has a range');
    assert(request.offset + request.length <= this.config.sizeBytes, 'the range is in the memory');
    request.status = MemoryStatus.ok;
    request.issued = 0;
    request.pendingParts = 0;
    request.touchedAt = now;
    if (this.#failure !== MemoryStatus.ok) {
      this.stats.requestsFailed++;
      request.owner.requestDone(request, this.#failure);
      return;
    }
    const isWrite = request.kind !== RequestKind.read;
    request.lock = this.#locks.acquire(request.offset, request.length, isWrite, request);
    this.#live.add(request);
    if (request.lock.blockers === 0) this.#ready.append(request);
    else this.stats.lockWaits++;
    if (this.#scanAt === NEVER) this.#scanAt = now + scanIntervalMicros(this.#reissue);
  }

  /** Sends what can be sent: first what was sent before, then new parts in turn. */
  pump(now: Micros): void {
    this.#now = now;
    this.#probes?.pump();
    while (this.#queued.length > 0) {
      const access = this.#queued[0] as Access;
      if (!this.#send(access)) return;
      access.isQueued = false;
      this.#queued.shift();
    }
    let turn = TURN_PARTS;
    while (this.#ready.first !== undefined) {
      const request = this.#ready.first;
      if (!this.#issue(request)) return;
      if (request.issued === request.length) this.#ready.removeFirst();
      else if (--turn > 0) continue;
      else this.#ready.rotate();
      turn = TURN_PARTS;
    }
  }

  hasRoom(): boolean {
    return true;
  }

  onMessage(now: Micros, message: MessageView): boolean {
    this.#now = now;
    if (message.channel === Channel.D) this.#onAnswer(message);
    else if (message.channel === Channel.B) return this.#probes?.onMessage(message, this) ?? true;
    else this.stats.malformedAnswers++;
    return true;
  }

  onRestart(): void {
    assert(false, 'nobody restarts the connection of an initiator');
  }

  /** When `handleDeadline` wants to be called. */
  pollDeadline(): Micros {
    return this.#scanAt;
  }

  /** Looks for accesses to send again and requests to give up. Early calls are harmless. */
  handleDeadline(now: Micros): void {
    if (now < this.#scanAt) return;
    this.#now = now;
    const reissue = this.#reissue;
    const link = this.#link as Link;
    const isWaiting = link.isLost && reissue.whenLost === 'wait';
    for (const access of this.#table.accesses) {
      if (access.kind === AccessKind.free || access.isQueued || isWaiting) continue;
      if (!this.#progress.isOverdue(now, access.sentAt, reissue.requestTimeoutMicros)) continue;
      if (!link.isAcknowledged(access.frameNumber) && link.profile.dropsDuplicates) continue;
      this.#repeat(access);
    }
    this.#encourage(now, link);
    if (!isWaiting) this.#giveUpIdle(now, giveUpAfterMicros(reissue));
    const isIdle = this.#live.count === 0 && this.#table.inFlight === 0 && !link.isLost;
    this.#scanAt = isIdle ? NEVER : now + scanIntervalMicros(reissue);
  }

  /** Nothing has come for a whole time-out although something should: asks, and helps out. */
  #encourage(now: Micros, link: Link): void {
    if (!this.#progress.hasStood(now, this.config.reissue.requestTimeoutMicros)) return;
    if (this.#live.count + this.#table.inFlight > 0 || link.isLost) link.probe();
    // All is answered and acknowledged, so the peer's buffer is empty, whatever it has returned.
    const isEmpty = this.#table.inFlight === 0 && link.framesOutstanding === 0;
    if (isEmpty && this.#ready.first !== undefined) link.restoreCredits(Channel.A);
  }

  #giveUpIdle(now: Micros, budget: Micros): void {
    // Waiting behind others that get answers is not a fault.
    if (!this.#progress.hasStood(now, budget)) return;
    let request = this.#live.first;
    while (request !== undefined) {
      if (now - request.touchedAt < budget) {
        request = request.nextLive;
        continue;
      }
      this.#giveUp(request, MemoryStatus.timedOut);
      // Its owner may have changed the list: look from the start again.
      request = this.#live.first;
    }
  }

  /** Issues the next part of the request; false if it cannot go now. */
  #issue(request: MemoryRequest): boolean {
    const access = this.#table.take();
    if (access === undefined) return false;
    planAccess(access, request, this.#limits);
    access.request = request;
    access.lock = request.lock;
    if (!this.#send(access)) {
      this.#table.putBack(access);
      return false;
    }
    if (request.lock !== undefined) this.#locks.hold(request.lock);
    request.issued += access.length;
    request.pendingParts++;
    request.touchedAt = this.#now;
    return true;
  }

  #send(access: Access): boolean {
    if (!(this.#messages as AccessMessages).send(access)) return false;
    access.sentAt = this.#now;
    this.stats.accessesIssued++;
    return true;
  }

  #queue(access: Access): void {
    access.isQueued = true;
    this.#queued.push(access);
  }

  #onAnswer(message: MessageView): void {
    const access = this.#table.find(message.source);
    if (access === undefined) {
      this.stats.unknownSources++;
      return;
    }
    const status = this.#judge(access, message);
    this.#progress.answered(this.#now, access.sentAt);
    if (access.kind === AccessKind.mergeGet && status === MemoryStatus.ok && access.request) {
      (this.#messages as AccessMessages).merge(access, message.region, message.bodyOffset);
      access.kind = AccessKind.mergePut;
      access.reissues = 0;
      access.request.touchedAt = this.#now;
      this.#queue(access);
      return;
    }
    if (access.kind === AccessKind.get && status === MemoryStatus.ok) {
      (this.#messages as AccessMessages).receiveData(access, message.region, message.bodyOffset);
    }
    this.#endAccess(access, status);
  }

  /** What an answer means for its access. TileLink 1.8.0 §4.5. */
  #judge(access: Access, message: MessageView): MemoryStatus {
    const isGet = access.kind === AccessKind.get || access.kind === AccessKind.mergeGet;
    const expected = isGet ? OpcodeD.accessAckData : OpcodeD.accessAck;
    if (message.denied) {
      this.stats.deniedAnswers++;
      return MemoryStatus.denied;
    }
    // The size of an AccessAck is not looked at: a known endpoint always says 0.
    const isRightSize = !isGet || message.sizeLog2 === access.sizeLog2;
    if (message.opcode !== expected || !isRightSize) {
      this.stats.malformedAnswers++;
      return MemoryStatus.malformed;
    }
    if (message.corrupt) {
      this.stats.corruptAnswers++;
      return MemoryStatus.corrupt;
    }
    return MemoryStatus.ok;
  }

  #endAccess(access: Access, status: MemoryStatus): void {
    const { request } = access;
    this.#abandon(access);
    if (request === undefined) return;
    request.pendingParts--;
    request.touchedAt = this.#now;
    if (status !== MemoryStatus.ok && request.status === MemoryStatus.ok) {
      request.status = status;
      if (request.issued < request.length) this.#ready.remove(request);
      request.issued = request.length;
    }
    if (request.pendingParts === 0 && request.issued === request.length) {
      this.#finish(request, request.status);
    }
  }

  /**
   * Sends an access that the link has delivered again under a new source, or gives its request up.
   * If that was given up before, the endpoint has swallowed the message: it serves them in turn.
   */
  #repeat(access: Access): void {
    if (access.request === undefined) {
      const quarantine = 2 * requestBudgetMicros(this.#reissue);
      if (this.#now - access.sentAt >= quarantine) this.#abandon(access);
      return;
    }
    if (access.reissues >= this.#reissue.reissues) {
      this.#giveUp(access.request, MemoryStatus.timedOut);
      return;
    }
    access.reissues++;
    this.stats.accessesReissued++;
    this.#queue(access);
  }

  /**
   * Ends a request whose accesses are still out. They stay in the table, and the writes among them
   * keep the range locked, until they are answered: an old write must not land on a newer one.
   */
  #giveUp(request: MemoryRequest, status: MemoryStatus): void {
    for (const access of this.#table.accesses) {
      if (access.kind === AccessKind.free || access.request !== request) continue;
      access.request = undefined;
      const wasQueued = access.isQueued;
      if (wasQueued) this.#unqueue(access);
      const isWrite = access.kind === AccessKind.put || access.kind === AccessKind.putPartial;
      const isMerged = access.kind === AccessKind.mergePut;
      if (isMerged && wasQueued && access.reissues === 0) this.#abandon(access);
      else if (!isWrite && !isMerged) this.#unlock(access);
    }
    if (request.issued < request.length) this.#ready.remove(request);
    this.#finish(request, status);
  }

  #unqueue(access: Access): void {
    access.isQueued = false;
    this.#queued.splice(this.#queued.indexOf(access), 1);
  }

  #unlock(access: Access): void {
    if (access.lock !== undefined) this.#locks.release(access.lock);
    access.lock = undefined;
  }

  /** The access will not be answered. */
  #abandon(access: Access): void {
    this.#unlock(access);
    this.#table.give(access);
  }

  #finish(request: MemoryRequest, status: MemoryStatus): void {
    const { lock } = request;
    request.lock = undefined;
    this.#live.remove(request);
    if (lock !== undefined) {
      lock.holder = undefined;
      this.#locks.release(lock);
    }
    if (status === MemoryStatus.ok) {
      this.stats.requestsCompleted++;
      if (request.kind === RequestKind.read) this.stats.bytesRead += request.length;
      else this.stats.bytesWritten += request.length;
    } else {
      this.stats.requestsFailed++;
    }
    request.owner.requestDone(request, status);
  }
}
