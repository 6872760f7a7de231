import { assert } from '../assert.ts';
import type { ByteRegion } from '../byte-region.ts';
import { NEVER, type Micros } from '../units.ts';
import { Channel } from '../wire/channel.ts';
import { FrameView } from '../wire/frame-view.ts';
import { RejectReason } from '../wire/reject-reason.ts';
import { FrameType } from '../wire/tloe-header.ts';
import type { AckPolicy } from './ack-policy.ts';
import type { LinkConfig } from './link-config.ts';
import type { LinkEvent } from './link-events.ts';
import { nextLinkState, type LinkState, type LinkTransition } from './link-state.ts';
import { linkParts, type LinkParts } from './link-parts.ts';
import { linkPosition, type LinkPosition } from './link-position.ts';
import { LinkReceive } from './link-receive.ts';
import type { LinkStats } from './link-stats.ts';
import { LinkTransmit } from './link-transmit.ts';
import type { MessageReceiver } from './message-receiver.ts';
import { OPENING_PLACES, OpeningFrames } from './opening-frames.ts';
import { OpeningJudge } from './opening-judge.ts';
import type { PeerProfile } from './peer-profile.ts';
import { recogniseInitiator } from './peer-recognition.ts';
import { sequenceAfter, sequenceDistance } from './sequence-number.ts';
import { Timer, type Timers } from './timers.ts';

/**
 * One end of a TLoE link, sans-IO: no socket, no timer, no promise, no randomness. Time comes in.
 *
 * The rule: mutate (`open`, `close`, a batch of `handleFrame`, `handleDeadline`, `reserve`), then drain:
 * `gather` and `commit` until nothing comes out, `pollEvent`, then arm `pollDeadline`.
 * `host/link-host.ts` does this in production and under test.
 *
 * Both directions are the same by specification (OmniXtend 1.0.3 §2), so driver and endpoint run
 * this class; they differ in `config.role`, which only says who opens.
 */
export class Link {
  readonly config: LinkConfig;
  readonly stats: LinkStats;
  readonly #receiver: MessageReceiver;
  readonly #parts: LinkParts;
  readonly #timers: Timers;
  readonly #acks: AckPolicy;
  readonly #transmit: LinkTransmit;
  readonly #receive: LinkReceive;
  readonly #view = new FrameView();
  readonly #events: LinkEvent[] = [];
  readonly #opening = new OpeningFrames();
  readonly #judge: OpeningJudge;
  #state: LinkState = 'idle';
  #closeNumber = -1;
  #isCloseAcknowledged = false;
  #isEndTold = false;
  #isLost = false;
  #lastProgressAt: Micros;

  constructor(config: LinkConfig, receiver: MessageReceiver, now: Micros) {
    this.config = config;
    this.#receiver = receiver;
    this.#lastProgressAt = now;
    this.#parts = linkParts(config);
    this.stats = this.#parts.stats;
    this.#timers = this.#parts.timers;
    this.#acks = this.#parts.acks;
    this.#transmit = new LinkTransmit(this.#parts);
    this.#receive = new LinkReceive(this.#parts, this.#transmit, receiver, this.#opening);
    this.#receive.lastInOrderAt = now;
    this.#judge = new OpeningJudge(config, this.#opening);
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Nothing was acknowledged for `lostAfterMicros`; resending goes on. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Habits of the peer; set it once the peer is recognised. */
  get profile(): PeerProfile {
    return this.#parts.profile;
  }
  set profile(profile: PeerProfile) {
    this.#parts.profile = profile;
  }

  /** The memory in which frames are built; `reserve` and `gather` give offsets into it. */
  get transmitRegion(): ByteRegion {
    return this.#transmit.buffer.region;
  }

  /** Most flits of one message, given MTU and peer. */
  get maxMessageFlits(): number {
    return this.#transmit.maxMessageFlits;
  }

  /** Frames numbered and not acknowledged, for tests and reports. */
  get framesOutstanding(): number {
    return this.#transmit.buffer.outstanding();
  }

  creditsAvailable(channel: number): number {
    return this.#transmit.account.available[channel] as number;
  }

  /** Where it stands now; a new object, for reports. */
  position(): LinkPosition {
    return linkPosition(this.#parts, this.#transmit);
  }

  /** Starts the connection. The answer comes as an `opened` event. */
  open(): void {
    this.#transition('openCalled');
    this.#transmit.queueGrants(FrameType.open);
  }

  /** Ends the connection. A `closed` event follows within `closeTimeoutMicros`. */
  close(now: Micros): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    const wasOpen = this.#state === 'open';
    this.#transition('closeCalled');
    if (wasOpen) this.#sendClose(now);
    else this.#finish('unopened');
  }

  /**
   * Takes one frame from the peer: `length` bytes from its MAC header at `offset` on, without FCS.
   * MAC addresses and EtherType have been checked. The region is not kept.
   *
   * @returns why the frame was dropped, `none` if it was not
   */
  handleFrame(now: Micros, region: ByteRegion, offset: number, length: number): RejectReason {
    const reason = this.#takeFrame(now, this.#view.load(region, offset, length));
    if (reason !== RejectReason.none) (this.stats.rejected[reason] as number)++;
    return reason;
  }

  /** Does what is due. Early or late calls are harmless. */
  handleDeadline(now: Micros): void {
    const timers = this.#timers;
    if (timers.expire(Timer.retransmit, now)) {
      this.#transmit.retransmitTimedOut(now, this.#state);
    }
    if (timers.expire(Timer.probe, now)) this.#transmit.resend.probeTimedOut(now, this.#state);
    if (timers.expire(Timer.ackDelay, now)) this.#acks.delayPassed();
    if (timers.expire(Timer.creditDelay, now)) this.#transmit.returnCredits(now, true);
    if (timers.expire(Timer.lost, now)) this.#lost(now);
    if (timers.expire(Timer.settle, now)) this.#settled(now);
    if (timers.expire(Timer.close, now)) {
      this.#transition('closeTimedOut');
      this.#finish(this.#isCloseAcknowledged ? 'confirmed' : 'unanswered');
    }
  }

  /**
   * Room for a message of `flits` flits on `channel`: a byte offset into `transmitRegion`, where the
   * caller writes all of the message before anything else is called; or -1 if credits or window do
   * not allow it now.
   */
  reserve(channel: number, flits: number): number {
    return this.#state === 'open' ? this.#transmit.reserve(channel, flits) : -1;
  }

  /** The frame in which the last reserved message travels. */
  get frameNumberInProgress(): number {
    return this.#transmit.buffer.next;
  }

  /** Whether the peer has acknowledged the frame with this number (asked for recent ones only). */
  isAcknowledged(frameNumber: number): boolean {
    return this.#transmit.buffer.isAcknowledged(frameNumber);
  }

  /** Credits of a message that the receiver had kept. */
  returnCredits(channel: number, flits: number): void {
    this.#transmit.debt.add(channel, flits);
  }

  /** Shows the peer where we are: one that has given up resending takes it up again. */
  probe(): void {
    if (this.#state !== 'open' || this.#transmit.buffer.outstanding() > 0) return;
    if (this.profile.dropsDuplicates) this.#acks.repeat();
    else this.#transmit.queueEmptyFrame(FrameType.normal, 0, 0);
  }

  /**
   * Credits of `channel` as in the beginning, if fewer are left: for an owner who knows that the
   * peer's buffer is empty.
   */
  restoreCredits(channel: number): void {
    if (this.#transmit.account.restore(channel)) this.stats.creditsRestored++;
  }

  /** Lists frames to send as (offset, length) pairs in `transmitRegion`; returns how many. */
  gather(now: Micros, descriptors: Int32Array): number {
    if (this.#state === 'open') this.#transmit.returnCredits(now, false);
    return this.#transmit.gather(descriptors, descriptors.length >> 1);
  }

  /** The transport took the first `count` frames of the last `gather`. */
  commit(now: Micros, count: number): void {
    this.#transmit.commit(now, count);
  }

  /** The next thing that the owner should know, if there is one. */
  pollEvent(): LinkEvent | undefined {
    return this.#events.shift();
  }

  /** When `handleDeadline` wants to be called; `NEVER` if nothing is due. */
  pollDeadline(): Micros {
    return this.#state === 'closed' ? NEVER : this.#timers.earliest();
  }

  #takeFrame(now: Micros, reason: RejectReason): RejectReason {
    if (reason !== RejectReason.none) return reason;
    const view = this.#view;
    const isAckOnly = view.frameType === FrameType.ackOnly;
    // Known peers leave the virtual channel of AckOnly frames to chance.
    if (view.vc !== 0 && !isAckOnly) return RejectReason.unknownVc;
    if (view.frameType === FrameType.open && !this.#takesOpen(now))
      return RejectReason.notConnected;
    if (this.#state === 'idle' || this.#state === 'closed') return RejectReason.notConnected;
    this.stats.framesReceived++;
    this.#takeAcknowledgement(now);
    const isOpening = this.#state === 'opening';
    const isClose = isAckOnly
      ? this.#receive.takeAckOnly(now, view, isOpening)
      : this.#takeNumbered(now, isOpening);
    if (isClose) this.#peerCloses(now);
    this.#transmit.resend.peerSpoke(now);
    // The frame may have been a Close.
    if (this.#state === 'opening') this.#checkOpened(now);
    return RejectReason.none;
  }

  /**
   * An Open starts a connection, or starts it anew if the peer was silent before; a repeated or
   * late one is an ordinary duplicate, or nothing. Initiators take none: what they hear is another
   * initiator, or themselves in a loop.
   */
  #takesOpen(now: Micros): boolean {
    const { config } = this;
    if (config.role === 'initiator') return false;
    if (this.#view.sequenceNumber !== config.firstSequenceNumber) return false;
    const isQuiet = now - this.#receive.lastInOrderAt >= config.restartQuietMicros;
    if (this.#state === 'idle') this.#accept('openReceived');
    else if (isQuiet && this.#isUsed()) this.#restart(now);
    return true;
  }

  /** Whether this is more than a connection of which the peer may not know yet. */
  #isUsed(): boolean {
    const { acked } = this.#transmit.buffer;
    const isUnknown = acked === sequenceAfter(this.config.firstSequenceNumber, -1);
    return this.#receive.hasHeardMessages || this.#state !== 'open' || !isUnknown;
  }

  #accept(transition: LinkTransition): void {
    this.#transition(transition);
    this.#transmit.queueGrants(FrameType.normal);
    this.#events.push({ type: 'opened', profile: this.profile });
  }

  #restart(now: Micros): void {
    this.#timers.clearAll();
    this.#acks.reset();
    this.#transmit.reset();
    this.profile = this.config.profile;
    this.#receive.reset(now);
    this.#closeNumber = -1;
    this.#isCloseAcknowledged = false;
    this.#isEndTold = false;
    this.#isLost = false;
    this.#receiver.onRestart();
    this.#events.push({ type: 'restarted' });
    this.#accept('openReceived');
  }

  #takeAcknowledgement(now: Micros): void {
    const { sequenceNumberAck, ack } = this.#view;
    const freed = this.#transmit.resend.acknowledged(now, sequenceNumberAck, ack === 0);
    // Who acknowledges past losses shows life by any frame.
    if (freed === 0 && this.profile.dropsDuplicates) return;
    this.#lastProgressAt = now;
    if (this.#isLost) {
      this.#isLost = false;
      this.#events.push({ type: 'recovered' });
    }
    if (this.#closeNumber < 0 || !this.isAcknowledged(this.#closeNumber)) return;
    this.#closeNumber = -1;
    this.#isCloseAcknowledged = true;
    // The peer has our Close. Its own follows at once, or never.
    if (this.config.role === 'initiator') this.#timers.set(Timer.close, now + CLOSE_LINGER_MICROS);
    else {
      this.#transition('closeConfirmed');
      this.#finish('confirmed');
    }
  }

  /** Returns whether the peer's Close was accepted. */
  #takeNumbered(now: Micros, isOpening: boolean): boolean {
    const place = sequenceDistance(this.config.firstSequenceNumber, this.#view.sequenceNumber);
    const isMeeting = this.config.role === 'responder' && !this.#receive.hasHeardMessages;
    if (isMeeting && !this.#isUsed()) this.#meetSuccessor(place);
    if (isOpening || isMeeting) this.#receive.note(place, this.#view);
    if (isMeeting && place < OPENING_PLACES && !this.config.isPeerKnown) {
      this.profile = recogniseInitiator(this.#opening) ?? this.profile;
    }
    return this.#receive.takeNumbered(now, this.#view, isOpening);
  }

  /**
   * If another frame with its number has come before, that was from a predecessor with the same
   * address, and everything from there on is forgotten.
   */
  #meetSuccessor(place: number): void {
    const { messageCount, channel, credit } = this.#view;
    if (!this.#opening.differs(place, channel, credit, messageCount === 0)) return;
    this.#opening.forgetFrom(place);
    this.#transmit.account.reset();
    this.#parts.order.reset(this.config.firstSequenceNumber);
    this.#receive.takeHeld();
  }

  /** Open: the peer has our opening, has granted credits, and we know who it is. */
  #checkOpened(now: Micros): void {
    if (this.#transmit.buffer.needing > 0) return;
    if (this.#judge.isComplete(this.#parts.order.expected, this.creditsAvailable(Channel.A))) {
      this.#confirmOpened();
    } else this.#timers.start(Timer.settle, now + this.config.settleMicros);
  }

  /** The peer was given time, and it is still not clear who it is or what else it will grant. */
  #settled(now: Micros): void {
    const credits = this.creditsAvailable(Channel.A);
    const verdict = this.#judge.settle(credits);
    if (verdict === 'open') {
      this.profile = this.#judge.profile();
      this.#receive.skipOpeningGaps(now);
      if (this.creditsAvailable(Channel.A) > 0) this.#confirmOpened();
      else this.#timers.set(Timer.settle, now + this.config.settleMicros);
    } else if (verdict === 'openAnew') {
      this.#acks.reset();
      this.#transmit.reset();
      this.#receive.reset(now);
      this.#transmit.queueGrants(FrameType.open);
    } else {
      if (verdict === 'ask') this.#transmit.queueEmptyFrame(FrameType.normal, 0, 0);
      this.#timers.set(Timer.settle, now + this.config.settleMicros);
    }
  }

  #confirmOpened(): void {
    this.#timers.clear(Timer.settle);
    this.#transition('openConfirmed');
    this.profile = this.#judge.profile();
    this.#transmit.account.noteInitial();
    this.#events.push({ type: 'opened', profile: this.profile });
  }

  #sendClose(now: Micros): void {
    this.#closeNumber = this.#transmit.queueEmptyFrame(FrameType.close, 0, 0);
    this.#timers.set(Timer.close, now + this.config.closeTimeoutMicros);
  }

  #peerCloses(now: Micros): void {
    this.#acks.repeat();
    if (this.#state === 'open') {
      this.#transition('closeReceived');
      this.#sendClose(now);
      this.#isEndTold = true;
      this.#events.push({ type: 'closed', how: 'byPeer' });
    } else if (this.config.role === 'initiator') {
      this.#transition('closeReceived');
      this.#finish('confirmed');
    }
  }

  #lost(now: Micros): void {
    if (this.#isLost || this.#state === 'opening') return;
    this.#isLost = true;
    this.#events.push({ type: 'lost', silentMicros: now - this.#lastProgressAt });
  }

  #finish(how: 'confirmed' | 'unanswered' | 'unopened'): void {
    this.#timers.clearAll();
    this.#transmit.buffer.discard();
    if (!this.#isEndTold) this.#events.push({ type: 'closed', how });
    this.#isEndTold = true;
  }

  #transition(transition: LinkTransition): void {
    const next = nextLinkState(this.#state, transition);
    assert(next !== undefined, `no ${transition} in state ${this.#state}`);
    this.#state = next;
  }
}

/** How long an initiator whose Close is acknowledged waits for the peer's own Close. */
const CLOSE_LINGER_MICROS: Micros = 20_000;
