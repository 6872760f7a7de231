import {
  ByteRegion,
  DEFAULT_REISSUE_POLICY,
  DEFAULT_RESPONDER_CONFIG,
  ETHERNET_HEADER_BYTES,
  FrameType,
  Initiator,
  Link,
  MILLISECOND,
  MemoryRequest,
  MemoryStatus,
  NEVER,
  RequestKind,
  Responder,
  SECOND,
  headerFrameType,
  headerSequenceNumber,
  headerSequenceNumberAck,
  linkConfig,
  packCredit,
  packHeaderHigh,
  type LinkConfig,
  type RequestOwner,
} from '@oxmem/tloe-protocol';
import { ArrayMemory, Prng } from '@oxmem/tloe-protocol/testing';
import { law, type FuzzTarget, type Genes } from './fuzz-target.ts';
import { MAX_FRAME_BYTES, TO_DRIVER, TO_ENDPOINT, writeHostileFrame } from './hostile-frame.ts';

const WINDOW_FRAMES = 16;
const GRANTS = [0, 9, 8, 8, 11, 8];
const MEMORY_BYTES = 4096;
const REQUESTS = 4;
/** What the peer grants of each channel, as a power of two of flits. */
const GRANT_EXPONENT = 12;
const OWN_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const PEER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2);
/** Frames stand at offsets ≡ 2 modulo 8. */
const LEAD_BYTES = 2;
/** The rounds of draining after which a link counts as babbling. */
const MOST_DRAINS = 4;
const MOST_EVENTS = 4;

type Step = { readonly kind: 'pass'; readonly micros: number } | { readonly kind: 'frame' };

function stepOf(prng: Prng): Step {
  const drawn = prng.nextFloat();
  if (drawn < 0.1) return { kind: 'pass', micros: prng.between(1, 2000) };
  if (drawn < 0.13) return { kind: 'pass', micros: prng.between(1, 300) * MILLISECOND };
  return { kind: 'frame' };
}

/** What a link needs beside itself to be alone with an enemy. */
abstract class LinkUnderAttack {
  now = 0;
  readonly #frame = ByteRegion.allocate(LEAD_BYTES + MAX_FRAME_BYTES);
  readonly #out = this.#frame.bytes.subarray(LEAD_BYTES);
  readonly #descriptors = new Int32Array(2 * (WINDOW_FRAMES + 1));
  #next = 0;
  #heard = 0x3fffff;
  protected abstract readonly link: Link;
  protected abstract readonly channels: readonly number[];
  protected abstract pump(): void;
  protected abstract pollDeadline(): number;
  protected abstract handleDeadline(): void;
  protected abstract onEvent(type: string): void;

  get isClosed(): boolean {
    return this.link.state === 'closed';
  }

  /** The peer's side of an opening. */
  open(): void {
    const { view, bytes } = this.#frame;
    const start = LEAD_BYTES + ETHERNET_HEADER_BYTES;
    bytes.fill(0);
    for (let channel = 1; channel <= 5; channel++) {
      const type = channel === 1 ? FrameType.open : FrameType.normal;
      view.setUint32(start, packHeaderHigh(type, channel - 1));
      view.setUint32(start + 4, ((4 << 10) | (1 << 9) | packCredit(channel, GRANT_EXPONENT)) >>> 0);
      this.link.handleFrame(this.now, this.#frame, LEAD_BYTES, OPENING_FRAME_BYTES);
    }
    this.#next = 5;
    this.drain();
  }

  step(prng: Prng): boolean {
    const step = stepOf(prng);
    if (step.kind === 'pass') this.pass(step.micros);
    else this.#attack(prng);
    return step.kind === 'frame';
  }

  /** Everything that is due until then. */
  pass(micros: number): void {
    const end = this.now + micros;
    for (let at = this.#deadline(); at <= end; at = this.#deadline()) {
      this.now = Math.max(this.now, at);
      this.link.handleDeadline(this.now);
      this.handleDeadline();
      this.drain();
      law(this.#deadline() > this.now, () => 'what was due has been done');
    }
    this.now = end;
    this.drain();
  }

  /** As a host does it; returns when nothing is left to send. */
  drain(): void {
    const { link } = this;
    let rounds = 0;
    let events = 0;
    for (let isDone = false; !isDone;) {
      isDone = true;
      this.pump();
      for (let count = this.#gather(); count > 0; count = this.#gather()) {
        law(++rounds <= MOST_DRAINS, () => 'a link has said all after a few rounds');
        this.#listen(count);
        link.commit(this.now, count);
      }
      for (let event = link.pollEvent(); event !== undefined; event = link.pollEvent()) {
        law(++events <= MOST_EVENTS, () => `a link reports event after event: ${event?.type}`);
        this.onEvent(event.type);
        isDone = false;
      }
    }
    law(link.framesOutstanding <= WINDOW_FRAMES, () => 'the window is kept');
    for (let channel = 1; channel <= 5; channel++) {
      const credits = link.creditsAvailable(channel);
      // Towards a peer that does not count, nobody does.
      const least = link.profile.returnsCredits ? 0 : -Infinity;
      law(credits >= least && credits <= 2 ** 40, () => `${credits} credits of channel ${channel}`);
    }
  }

  #attack(prng: Prng): void {
    const { channels } = this;
    const place = { to: OWN_MAC, from: PEER_MAC, next: this.#next, heard: this.#heard, channels };
    const length = writeHostileFrame(prng, place, this.#out);
    const high = this.#frame.view.getUint32(LEAD_BYTES + ETHERNET_HEADER_BYTES);
    if (headerSequenceNumber(high) === this.#next && headerFrameType(high) !== FrameType.ackOnly) {
      this.#next = (this.#next + 1) & 0x3fffff;
    }
    this.link.handleFrame(this.now, this.#frame, LEAD_BYTES, length);
    this.drain();
  }

  #gather(): number {
    return this.link.gather(this.now, this.#descriptors);
  }

  #listen(count: number): void {
    const { view } = this.link.transmitRegion;
    for (let i = 0; i < count; i++) {
      const at = (this.#descriptors[2 * i] as number) + ETHERNET_HEADER_BYTES;
      const high = view.getUint32(at);
      if (headerFrameType(high) !== FrameType.ackOnly) this.#heard = headerSequenceNumber(high);
      this.#next = (headerSequenceNumberAck(view.getUint32(at + 4)) + 1) & 0x3fffff;
    }
  }

  #deadline(): number {
    return Math.min(this.link.pollDeadline(), this.pollDeadline());
  }
}

/** An endpoint's end. */
class ResponderUnderAttack extends LinkUnderAttack {
  protected readonly channels = TO_ENDPOINT;
  protected readonly link: Link;
  readonly #responder: Responder;

  constructor() {
    super();
    const memory = new ArrayMemory(MEMORY_BYTES);
    this.#responder = new Responder(DEFAULT_RESPONDER_CONFIG, memory);
    this.link = new Link(configOf('responder'), this.#responder, 0);
    this.#responder.attach(this.link);
    this.open();
  }

  protected pump(): void {
    this.#responder.pump();
    law(this.#responder.answersWaiting <= 2048, () => 'answers that wait are bounded');
  }

  protected pollDeadline(): number {
    return NEVER;
  }

  protected handleDeadline(): void {}
  protected onEvent(): void {}
}

/** A driver's end, with a user who always wants something. */
class InitiatorUnderAttack extends LinkUnderAttack implements RequestOwner {
  pending = 0;
  protected readonly channels = TO_DRIVER;
  protected readonly link: Link;
  readonly #initiator: Initiator;
  readonly #idle = Array.from({ length: REQUESTS }, () => {
    const request = new MemoryRequest(this);
    request.buffer = ByteRegion.allocate(MEMORY_BYTES / REQUESTS);
    return request;
  });

  constructor() {
    super();
    this.#initiator = new Initiator({
      base: { high: 0, low: 0 },
      sizeBytes: MEMORY_BYTES,
      dataOrder: 'raw',
      window: 8,
      maxAccessLog2: 6,
      reissue: DEFAULT_REISSUE_POLICY,
      firstSource: 1000,
    });
    this.link = new Link(configOf('initiator'), this.#initiator, 0);
    this.#initiator.attach(this.link);
    this.link.open();
    this.drain();
    this.open();
  }

  requestDone(request: MemoryRequest): void {
    this.pending--;
    law(!this.#idle.includes(request), () => 'a request ends once');
    this.#idle.push(request);
  }

  override step(prng: Prng): boolean {
    const request = this.#idle.pop();
    if (request !== undefined) {
      request.kind = prng.chance(0.5) ? RequestKind.read : RequestKind.write;
      request.length = prng.between(1, MEMORY_BYTES / REQUESTS);
      request.offset = prng.below(MEMORY_BYTES - request.length + 1);
      this.pending++;
      this.#initiator.submit(this.now, request);
    }
    return super.step(prng);
  }

  /** Whatever has happened, every request has an end. */
  finish(): void {
    this.#initiator.fail(MemoryStatus.closed);
    law(this.pending === 0, () => `${this.pending} requests never end`);
    this.link.close(this.now);
    this.pass(5 * SECOND);
    const { state } = this.link;
    law(state === 'closed', () => `a link that was closed is ${state}`);
  }

  protected pump(): void {
    this.#initiator.pump(this.now);
  }

  protected pollDeadline(): number {
    return this.#initiator.pollDeadline();
  }

  protected handleDeadline(): void {
    this.#initiator.handleDeadline(this.now);
  }

  protected onEvent(type: string): void {
    if (type === 'opened') this.#initiator.linkOpened();
    else if (type === 'lost') this.#initiator.linkLost();
    else if (type === 'recovered') this.#initiator.linkRecovered(this.now);
    else if (type === 'closed') this.#initiator.fail(MemoryStatus.closed);
  }
}

function configOf(role: LinkConfig['role']): LinkConfig {
  return linkConfig({
    role,
    ownMac: OWN_MAC,
    peerMac: PEER_MAC,
    mtuBytes: 1500,
    windowFrames: WINDOW_FRAMES,
    grantExponents: GRANTS,
    ...(role === 'responder' && { resendPasses: 8 }),
  });
}

/** The engine alone, either end, with a peer that knows the protocol and keeps to none of it. */
export const linkTarget: FuzzTarget = {
  name: 'link',
  about: 'a link with a responder and one with an initiator, with frames of their peer',
  maxGenes: 4000,
  casesAtATime: 16,
  run(genes: Genes): number {
    let responder = new ResponderUnderAttack();
    let initiator = new InitiatorUnderAttack();
    let frames = 0;
    for (const gene of genes) {
      const prng = new Prng(gene);
      // A connection that was closed is replaced by a new one.
      if (responder.isClosed) responder = new ResponderUnderAttack();
      if (initiator.isClosed) {
        initiator.finish();
        initiator = new InitiatorUnderAttack();
      }
      const end = (gene & 1) === 0 ? responder : initiator;
      if (end.step(prng)) frames++;
    }
    initiator.finish();
    return frames;
  },
  describe: (genes) =>
    genes.map(
      (gene) =>
        `${(gene & 1) === 0 ? 'endpoint' : 'driver'} ${JSON.stringify(stepOf(new Prng(gene)))}`,
    ),
};

const OPENING_FRAME_BYTES = ETHERNET_HEADER_BYTES + 8 + 5 * 8 + 8;
