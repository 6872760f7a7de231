import type { Micros } from '../units.ts';
import { CongestionWindow } from './congestion-window.ts';
import type { LinkParts } from './link-parts.ts';
import type { LinkState } from './link-state.ts';
import { BOGUS_ACK, type RetransmitBuffer } from './retransmit-buffer.ts';
import { RoundTrip } from './round-trip.ts';
import { HALF_SEQUENCE_SPACE, sequenceAfter, sequenceDistance } from './sequence-number.ts';
import { Timer } from './timers.ts';

/** After this many time-outs in a row (as a power of two) one frame at a time probes the peer. */
const PROBE_BACKOFF = 4;

/** A peer that says the same so often while frames are out has met a gap. */
const SAME_ACKS_OF_A_GAP = 3;

/** Probes in a row; after that it is the retransmission timer's turn. */
const MOST_PROBES = 4;

/** Losses are remembered over about so many frames. */
const LOSS_MEMORY_FRAMES = 512;

/** Where more are lost, a repair is likely enough to be lost as well to be sent twice at once. */
const LOSSY_SHARE = 0.03;

/** Repairs in a row that filled nothing but what was repaired, before a peer counts as forgetful. */
const MOST_TRUST = 8;
const FIRST_TRUST = 3;

/**
 * What acknowledgements mean for the frames that are out, and which of them are sent again, and when.
 *
 * The protocol has cumulative acknowledgements and a NAK for the first frame that is missing, nothing
 * more. Whether the peer keeps what comes behind a gap shows when the gap is filled: then its
 * acknowledgement jumps over frames that were not sent again. To such a peer only what it misses is
 * sent again; as long as repairs fill just themselves, each is twice as long as the one before. To a
 * peer that drops what comes early everything behind the gap is sent again. OmniXtend 1.0.3 §4.
 */
export class LinkResend {
  readonly buffer: RetransmitBuffer;
  readonly roundTrip: RoundTrip;
  /** Frames that may be on their way at once. */
  readonly congestion: CongestionWindow;
  readonly #parts: LinkParts;
  /** The number after the last one that was out when a repair began; -1 when nothing is repaired. */
  #until = -1;
  /** The last number that was repaired. */
  #repaired = 0;
  /** Frames to repair at once. */
  #burst = 1;
  /** The repair was asked for by the peer, and so tells whether it keeps what comes early. */
  #isProof = false;
  /** Above 0, the peer is taken for one that keeps what comes early. */
  #trust = FIRST_TRUST;
  #probes = 0;
  /** About how many of the last frames were lost, 0 .. 1. */
  #lossShare = 0;
  /** What is being repaired is sent once more right after. */
  #isTwice = false;
  #wentBackAt: Micros = -Infinity;
  /** Times in a row that the peer has said the same. */
  #sameAcks = 0;
  /** The number that the last AckOnly has shown. */
  #shown = -1;

  constructor(parts: LinkParts, buffer: RetransmitBuffer) {
    this.#parts = parts;
    this.buffer = buffer;
    this.roundTrip = new RoundTrip(parts.config.retransmit);
    this.congestion = new CongestionWindow(parts.config.windowFrames);
  }

  /** Numbered frames were handed to the transport. */
  sent(now: Micros): void {
    const { timers, config } = this.#parts;
    if (this.buffer.needing === 0) return;
    timers.start(Timer.retransmit, now + this.roundTrip.timeoutMicros());
    timers.start(Timer.lost, now + config.lostAfterMicros);
    if (this.#canProbe()) timers.start(Timer.probe, now + this.#probeMicros());
  }

  /** An AckOnly has shown the peer this number. */
  numberShown(number: number): void {
    this.#shown = number;
  }

  /** All that was to be repaired was handed to the transport. */
  repaired(): void {
    const { acked } = this.buffer;
    if (!this.#isTwice) return;
    this.#isTwice = false;
    // Meanwhile the peer may have got it all.
    if (!isAhead(acked, this.#repaired)) return;
    this.buffer.queueRepair(sequenceDistance(acked, this.#repaired));
  }

  /** An acknowledgement arrived. Returns how many frames it freed. */
  acknowledged(now: Micros, said: number, isNak: boolean): number {
    const { stats, profile } = this.#parts;
    const number = profile.acknowledgesUnsent ? this.#believable(said) : said;
    const isSame = number === this.buffer.acked;
    const freed = this.buffer.acknowledge(number);
    if (freed === BOGUS_ACK) stats.bogusAcks++;
    if (freed > 0) this.#progress(now, freed);
    if (isNak) {
      stats.naksReceived++;
      if (number === this.buffer.acked) this.#gapReported(now);
    } else if (isSame && profile.repeatsAcksAtGaps) {
      this.#sameAcks++;
      if (this.#sameAcks >= SAME_ACKS_OF_A_GAP) this.#gapReported(now);
    }
    return Math.max(freed, 0);
  }

  /** Nothing was heard for a moment: the last of what was sent may be lost. One frame asks. */
  probeTimedOut(now: Micros, state: LinkState): void {
    const { buffer } = this;
    if (state !== 'open' || !this.#canProbe() || buffer.inFlight() === 0) return;
    this.#probes++;
    this.#parts.stats.probes++;
    const isRepairing = this.#until >= 0 && isAhead(buffer.acked, this.#repaired);
    if (this.#until < 0) this.#begin(false);
    // What was repaired last still counts: the probe repeats the first of it.
    if (isRepairing) buffer.queueRepair(1);
    else this.#repair(1);
    this.#parts.timers.set(Timer.probe, now + this.#probeMicros());
  }

  /**
   * The retransmission timer ran out: resend, from the third time on one frame at a time, and after
   * `resendPasses` not at all until the peer speaks.
   *
   * @returns whether a new empty frame should follow what is resent
   */
  timedOut(now: Micros, state: LinkState): boolean {
    const { stats, timers, config, profile } = this.#parts;
    const { buffer, roundTrip } = this;
    if (buffer.inFlight() === 0) return false;
    stats.retransmitTimeouts++;
    if (state === 'open' && !profile.dropsDuplicates) {
      buffer.acknowledge(sequenceAfter(buffer.unsent, -1));
      return false;
    }
    roundTrip.backOff();
    if (roundTrip.backoff > 2 ** config.resendPasses) return false;
    this.#startOver(state);
    timers.set(Timer.retransmit, now + roundTrip.timeoutMicros());
    const isProbing = roundTrip.backoff >= PROBE_BACKOFF;
    if (state !== 'opening' && !profile.isMuteOnDuplicates) {
      this.congestion.timedOut(isProbing);
      return false;
    }
    this.congestion.reset();
    // Whoever is mute on what it has had says where it is when something new follows.
    return isProbing && state !== 'closing';
  }

  /**
   * To a peer that keeps what comes early, one frame goes first, and more as they are acknowledged:
   * maybe all of them are only late, and their acknowledgements already on the way.
   */
  #startOver(state: LinkState): void {
    this.#until = -1;
    const isTrusted = this.#trust > 0 && !this.#isLossy && this.#understandsProbes();
    if (state !== 'open' || !isTrusted || this.#parts.profile.pinsAcknowledgements) {
      this.buffer.rewind();
      return;
    }
    this.#begin(false);
    this.#repair(1);
  }

  /** The peer spoke: if resending had stopped, it starts again. */
  peerSpoke(now: Micros): void {
    const { timers, config, profile } = this.#parts;
    if (!profile.dropsDuplicates) timers.clear(Timer.lost);
    // Where passes are counted, a peer that speaks gets all of them again.
    if (Number.isFinite(config.resendPasses)) this.roundTrip.progress(true);
    if (timers.isSet(Timer.retransmit)) return;
    if (this.buffer.needing === 0 || this.buffer.inFlight() === 0) return;
    this.roundTrip.progress(true);
    timers.set(Timer.retransmit, now + this.roundTrip.timeoutMicros());
  }

  /** Forgets everything about the peer. */
  reset(): void {
    this.roundTrip.reset();
    this.congestion.reset();
    this.#until = -1;
    this.#burst = 1;
    this.#trust = FIRST_TRUST;
    this.#probes = 0;
    this.#lossShare = 0;
    this.#isTwice = false;
    this.#wentBackAt = -Infinity;
    this.#sameAcks = 0;
    this.#shown = -1;
  }

  /**
   * A peer that takes the number in an AckOnly for received acknowledges it without having the
   * frame: that number counts once the frame was sent twice.
   */
  #believable(number: number): number {
    if (number !== this.#shown) return number;
    const { buffer } = this;
    const isSentTwice = buffer.isInFlight(number) && buffer.transmissions(number) > 1;
    return isSentTwice ? number : sequenceAfter(number, -1);
  }

  /** Frames are lost so often that one which is late must be taken for lost. */
  get #isLossy(): boolean {
    return this.#lossShare > LOSSY_SHARE;
  }

  #canProbe(): boolean {
    return this.#understandsProbes() && this.#probes < MOST_PROBES;
  }

  #understandsProbes(): boolean {
    const { dropsDuplicates, isMuteOnDuplicates } = this.#parts.profile;
    const isKnown = this.roundTrip.smoothedMicros > 0;
    return isKnown && dropsDuplicates && !isMuteOnDuplicates;
  }

  #probeMicros(): Micros {
    return this.roundTrip.probeMicros(this.#until >= 0) * 2 ** this.#probes;
  }

  #progress(now: Micros, freed: number): void {
    const { timers, config } = this.#parts;
    const { buffer, roundTrip } = this;
    const { acked } = buffer;
    // What waited at the peer behind a gap says nothing about the wire.
    const isBehindGap = this.#until >= 0 && (this.#isProof || this.#isLossy);
    const isTelling = !isBehindGap && buffer.transmissions(acked) === 1;
    if (isTelling) roundTrip.sample(now - buffer.sentAt(acked));
    roundTrip.progress(this.#isLossy);
    this.#sameAcks = 0;
    this.#probes = 0;
    this.congestion.acknowledged(freed);
    this.#lossShare *= Math.max(0, 1 - freed / LOSS_MEMORY_FRAMES);
    if (this.#until >= 0) this.#judgeRepair(now);
    if (buffer.needing > 0 && buffer.inFlight() > 0) {
      timers.set(Timer.retransmit, now + roundTrip.timeoutMicros());
      timers.set(Timer.lost, now + config.lostAfterMicros);
      if (this.#canProbe()) timers.set(Timer.probe, now + this.#probeMicros());
    } else {
      timers.clear(Timer.retransmit);
      timers.clear(Timer.lost);
      timers.clear(Timer.probe);
    }
  }

  /** What the new acknowledgement says about what was repaired. */
  #judgeRepair(now: Micros): void {
    const { acked } = this.buffer;
    if (!this.#isProof && this.#wasOnlyLate(now, acked)) {
      this.#until = -1;
      return;
    }
    const isPast = acked !== this.#repaired && !isAhead(acked, this.#repaired);
    if (isPast) {
      this.#burst = 1;
      if (this.#isProof) this.#trust = MOST_TRUST;
    }
    const isOver = !isAhead(sequenceAfter(acked, 1), this.#until);
    if (isOver || (isPast && !this.#isProof)) this.#until = -1;
    else if (acked === this.#repaired) this.#lengthenRepair(now);
  }

  /** The frame was sent again, and acknowledged so soon after that the first copy must be meant. */
  #wasOnlyLate(now: Micros, number: number): boolean {
    const { buffer, roundTrip } = this;
    const isRepeated = buffer.transmissions(number) > 1 && !this.#isLossy;
    return isRepeated && now - buffer.lastSentAt(number) < roundTrip.smoothedMicros / 2;
  }

  /** The repair has filled nothing but itself: more is missing, or the peer keeps nothing. */
  #lengthenRepair(now: Micros): void {
    if (this.#isProof) this.#trust--;
    if (this.#trust <= 0) {
      this.#goBack(now);
      return;
    }
    this.#burst *= 2;
    this.#repair(this.#burst);
  }

  /** The peer has frames behind the acknowledged one, but not the next. */
  #gapReported(now: Micros): void {
    const { buffer } = this;
    const first = sequenceAfter(buffer.acked, 1);
    if (!this.#parts.profile.dropsDuplicates || buffer.inFlight() === 0) return;
    // Who has acknowledged nothing yet misses the opening, all of it.
    if (this.#trust <= 0 || this.roundTrip.smoothedMicros === 0) {
      this.#goBack(now);
      return;
    }
    const isQueued = buffer.toRepair() > 0 || first === buffer.cursor;
    if (isQueued) return;
    const roundTrip = Math.max(this.roundTrip.smoothedMicros, 1);
    const wasRepeated = buffer.transmissions(first) > 1;
    if (wasRepeated && now - buffer.lastSentAt(first) < roundTrip) return;
    this.#sameAcks = 0;
    this.#begin(true);
    this.#repair(this.#burst);
  }

  #begin(isProof: boolean): void {
    if (this.#until < 0) this.#burst = 1;
    this.#until = this.buffer.unsent;
    this.#isProof = isProof;
  }

  #repair(frames: number): void {
    this.#repaired = this.buffer.queueRepair(frames);
    if (!this.#isProof) return;
    const missing = this.buffer.toRepair();
    this.congestion.missed(missing);
    this.#lossShare += missing / LOSS_MEMORY_FRAMES;
    this.#isTwice = this.#isLossy;
  }

  /**
   * Resends everything behind the acknowledged number, at most once in a round trip; as long as none
   * is known, as often as a sane peer repeats itself. Else a flood of small NAKs would be answered by
   * one of large frames.
   */
  #goBack(now: Micros): void {
    const { smoothedMicros } = this.roundTrip;
    const pause = smoothedMicros > 0 ? smoothedMicros : this.#parts.config.nakRepeatMicros;
    if (now - this.#wentBackAt < pause) return;
    this.#wentBackAt = now;
    this.#sameAcks = 0;
    this.#until = -1;
    this.congestion.lost(this.buffer.inFlight());
    this.buffer.rewind();
  }
}

/** Whether `number` comes before `other`. */
function isAhead(number: number, other: number): boolean {
  const distance = sequenceDistance(number, other);
  return distance > 0 && distance < HALF_SEQUENCE_SPACE;
}
