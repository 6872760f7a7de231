import { dumpFrame, type ByteRegion, type Micros } from '@oxmem/tloe-protocol';

/** Takes the lines of a readable trace. */
export type TraceSink = (line: string) => void;

/**
 * What happened in a run: a hash of all of it, by which two runs are compared (invariant 8), and on
 * request a line of text for each thing.
 */
export class Recorder {
  /** Frames that were handed to a wire. */
  frames = 0;
  /** Those of them that drivers sent. */
  framesOfDrivers = 0;
  readonly #trace: TraceSink | undefined;
  #hash = 0x811c9dc5;

  constructor(trace?: TraceSink) {
    this.#trace = trace;
  }

  /** Whether somebody reads the trace: only then is it worth making texts. */
  get isTracing(): boolean {
    return this.#trace !== undefined;
  }

  /** Eight hexadecimal digits: the same for the same run. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  /** A frame leaves. */
  frame(now: Micros, who: string, region: ByteRegion, [offset, length]: [number, number]): void {
    this.frames++;
    if (who !== 'endpoint') this.framesOfDrivers++;
    this.#mix(now);
    this.#mix(length);
    for (let at = offset + 12; at + 4 <= offset + length; at += 4) {
      this.#mix(region.view.getUint32(at));
    }
    if (this.isTracing) this.#line(now, who, `sends ${dumpFrame(region, offset, length)}`);
  }

  /** Something else that belongs to the run; `number` tells it from others. */
  note(now: Micros, who: string, number: number, text: () => string): void {
    this.#mix(now);
    this.#mix(number);
    if (this.isTracing) this.#line(now, who, text());
  }

  /** Only for readers. */
  tell(now: Micros, who: string, text: string): void {
    if (this.isTracing) this.#line(now, who, text);
  }

  #line(now: Micros, who: string, text: string): void {
    this.#trace?.(`${(now / 1000).toFixed(3).padStart(11)} ms  ${who.padEnd(12)} ${text}`);
  }

  #mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x01000193);
    this.#hash ^= this.#hash >>> 15;
  }
}
