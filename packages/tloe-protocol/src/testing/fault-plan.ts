import { formatDuration, formatProbability } from '../text/index.ts';
import { MILLISECOND, NEVER, type Micros } from '../units.ts';

/** What a wire does to the frames of one direction. All chances are per frame, 0 .. 1. */
export interface DirectionFaults {
  /** Chance that a frame is lost, each on its own. */
  readonly loss: number;
  /** Losses that come together; see `LossBursts`. */
  readonly bursts: LossBursts | undefined;
  /** Chance that a frame arrives twice. */
  readonly duplicate: number;
  /** Chance that a frame is overtaken by some of those behind it. */
  readonly reorder: number;
  /** The most frames that overtake it, from 1 on. */
  readonly reorderDepthFrames: number;
  /** How long a frame waits for those who are to overtake it, before it goes on without them. */
  readonly reorderHoldMicros: Micros;
  /** Chance that one bit of a frame is inverted. */
  readonly corrupt: number;
  /** The bits that this may hit: 8 * byte + bit, counted from the lowest. Undefined: any. */
  readonly corruptBits: readonly number[] | undefined;
  /** Time on the wire. */
  readonly delayMicros: Micros;
  /** A further time, 0 up to this, that does not change the order. */
  readonly jitterMicros: Micros;
  /** Faults at known places. */
  readonly script: readonly ScriptedFault[];
}

/**
 * Losses in bursts (the Gilbert-Elliott model): before each frame the wire may turn from good to
 * bad with chance `enter`, or back with chance `leave`; while bad it loses frames with chance
 * `loss`. A burst is 1 / `leave` frames long on average.
 */
export interface LossBursts {
  readonly enter: number;
  readonly leave: number;
  readonly loss: number;
}

/** A fault at a known place: the frame with this index, counted from 0 in its direction. */
export type ScriptedFault =
  | { readonly kind: 'drop'; readonly frame: number }
  | { readonly kind: 'duplicate'; readonly frame: number }
  | { readonly kind: 'delayBehindNext'; readonly frame: number }
  | { readonly kind: 'corrupt'; readonly frame: number; readonly bit: number }
  | CutFault;

/** Every frame sent from `from` on and before `until` is lost. */
export interface CutFault {
  readonly kind: 'cut';
  readonly from: Micros;
  readonly until: Micros;
}

/** The faults of a wire with two ends. */
export interface FaultPlan {
  /** On frames from the first end to the second. */
  readonly forward: DirectionFaults;
  /** On frames from the second end to the first. */
  readonly backward: DirectionFaults;
}

/** A wire that delivers everything, in order, 10 us later. */
export const NO_FAULTS: DirectionFaults = {
  loss: 0,
  bursts: undefined,
  duplicate: 0,
  reorder: 0,
  reorderDepthFrames: 1,
  reorderHoldMicros: MILLISECOND,
  corrupt: 0,
  corruptBits: undefined,
  delayMicros: 10,
  jitterMicros: 0,
  script: [],
};

/** `NO_FAULTS` with some things changed. */
export function directionFaults(changes: Partial<DirectionFaults>): DirectionFaults {
  return { ...NO_FAULTS, ...changes };
}

/** A plan with the same changes to `NO_FAULTS` in both directions. */
export function symmetricFaults(changes: Partial<DirectionFaults>): FaultPlan {
  return { forward: directionFaults(changes), backward: directionFaults(changes) };
}

/** One line of text for a failing test: what differs from a perfect wire. */
export function describeFaults(faults: DirectionFaults): string {
  const parts = [
    ...chances(faults),
    faults.bursts && describeBursts(faults.bursts),
    faults.delayMicros > 0 && `delay ${formatDuration(faults.delayMicros)}`,
    faults.jitterMicros > 0 && `jitter ${formatDuration(faults.jitterMicros)}`,
    ...faults.script.map(describeScripted),
  ];
  return parts.filter((part) => typeof part === 'string').join(', ') || 'no faults';
}

/** Two lines of text, one for each direction. */
export function describeFaultPlan(plan: FaultPlan): string {
  return `forward: ${describeFaults(plan.forward)}\nbackward: ${describeFaults(plan.backward)}`;
}

function chances(faults: DirectionFaults): string[] {
  const texts: string[] = [];
  if (faults.loss > 0) texts.push(`loss ${formatProbability(faults.loss)}`);
  if (faults.duplicate > 0) texts.push(`duplicate ${formatProbability(faults.duplicate)}`);
  if (faults.reorder > 0) {
    const depth = `up to ${faults.reorderDepthFrames} frames`;
    const hold = `within ${formatDuration(faults.reorderHoldMicros)}`;
    texts.push(`reorder ${formatProbability(faults.reorder)} by ${depth} ${hold}`);
  }
  if (faults.corrupt > 0) {
    const where = faults.corruptBits === undefined ? '' : ` in ${faults.corruptBits.length} bits`;
    texts.push(`corrupt ${formatProbability(faults.corrupt)}${where}`);
  }
  return texts;
}

function describeBursts(bursts: LossBursts): string {
  const { enter, leave, loss } = bursts;
  const turns = `entered ${formatProbability(enter)}, left ${formatProbability(leave)}`;
  return `bursts (${turns}) of loss ${formatProbability(loss)}`;
}

function describeScripted(fault: ScriptedFault): string {
  switch (fault.kind) {
    case 'drop':
      return `drop frame ${fault.frame}`;
    case 'duplicate':
      return `duplicate frame ${fault.frame}`;
    case 'delayBehindNext':
      return `delay frame ${fault.frame} behind the next`;
    case 'corrupt':
      return `invert bit ${fault.bit} of frame ${fault.frame}`;
    case 'cut': {
      const until = fault.until === NEVER ? 'for good' : `until ${formatDuration(fault.until)}`;
      return `cut from ${formatDuration(fault.from)} ${until}`;
    }
  }
}
