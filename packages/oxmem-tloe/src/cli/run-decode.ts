import { createReadStream } from 'node:fs';
import { DEFAULT_ETHER_TYPE } from '@oxmem/tloe-protocol';
import { CaptureReader } from '../capture/capture-reader.ts';
import type { CaptureRecord } from '../capture/capture-record.ts';
import { startLiveCapture } from '../capture/live-capture.ts';
import { FrameDecoder } from '../decode/frame-decoder.ts';
import { jsonLine } from '../decode/json-line.ts';
import { summaryOf, summaryText } from '../decode/summary.ts';
import { TEXT_HEADING, textLine } from '../decode/text-line.ts';
import { isColoured, type CliEnvironment } from './environment.ts';
import { ExitCode } from './exit-codes.ts';
import { LineOutput } from './line-output.ts';

/** What `oxmem-tloe decode` was told. */
export interface DecodeOptions {
  /** A path, `-` for standard input; undefined: `netdev` is there. */
  readonly file: string | undefined;
  readonly netdev: string | undefined;
  readonly mac: Uint8Array | undefined;
  readonly etherType: number | undefined;
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  readonly hasSummary: boolean;
  readonly onlyViolations: boolean;
}

/** Decodes until the file ends or somebody says stop. */
export async function runDecode(
  options: DecodeOptions,
  environment: CliEnvironment,
): Promise<ExitCode> {
  const run = new DecodeRun(options, environment);
  const { file } = options;
  if (file === undefined) await run.listen(options.netdev ?? '');
  else
    await run.read(file === '-' ? environment.stdin : createReadStream(file, READ_OPTIONS), file);
  await run.finish();
  return run.problem === undefined ? ExitCode.done : ExitCode.failed;
}

/** Pieces in which a file is read. */
const READ_OPTIONS = { highWaterMark: 256 * 1024 };

class DecodeRun {
  /** What went wrong, as a sentence. */
  problem: string | undefined = undefined;
  readonly #options: DecodeOptions;
  readonly #environment: CliEnvironment;
  readonly #decoder: FrameDecoder;
  readonly #output: LineOutput;
  readonly #painter: { readonly isColoured: boolean };
  #isStopped = false;
  #onStop: () => void = () => {};

  constructor(options: DecodeOptions, environment: CliEnvironment) {
    this.#options = options;
    this.#environment = environment;
    const { etherType, mac } = options;
    this.#decoder = new FrameDecoder({ ...(etherType && { etherType }), ...(mac && { mac }) });
    this.#output = new LineOutput(environment.stdout);
    this.#painter = { isColoured: isColoured(environment) };
    environment.onStop(() => this.#stop());
    if (!options.isJson && !options.isQuiet) this.#output.line(TEXT_HEADING);
  }

  /** Decodes a file. */
  async read(pieces: AsyncIterable<Uint8Array>, name: string): Promise<void> {
    const reader = new CaptureReader();
    try {
      for await (const piece of pieces) {
        reader.push(piece);
        const why = this.#take(reader);
        if (why !== undefined) return this.#complain(name, why);
        await this.#output.flush();
        if (this.#isStopped || this.#output.isClosed) return;
      }
    } catch (error) {
      this.problem = `"${name}" cannot be read: ${(error as Error).message}; name another file.`;
      return;
    }
    const missing = reader.finish();
    if (missing !== undefined) this.#complain(name, missing);
  }

  /** Decodes what passes an interface, until it is stopped. */
  async listen(interfaceName: string): Promise<void> {
    const { etherType = DEFAULT_ETHER_TYPE } = this.#options;
    const { binding, stderr } = this.#environment;
    await new Promise<void>((resolve) => {
      this.#onStop = resolve;
      const capture = startLiveCapture(
        { interfaceName, etherType, binding },
        {
          onFrame: (record) => this.#decode(record),
          onPause: () => {
            void this.#output.flush();
            if (this.#output.isClosed) this.#stop();
          },
          onFailure: (error) => {
            this.problem = error.message;
            this.#stop();
          },
        },
      );
      this.#onStop = () => {
        const dropped = capture.dropped();
        capture.close();
        if (dropped > 0) stderr.write(`oxmem-tloe: ${dropped} frames were missed.\n`);
        resolve();
      };
      stderr.write(`oxmem-tloe: listening on ${interfaceName}, stop with Ctrl-C\n`);
      if (this.#isStopped) this.#onStop();
    });
  }

  /** Says what is left to say. */
  async finish(): Promise<void> {
    const { hasSummary, isJson } = this.#options;
    if (hasSummary) {
      const summary = summaryOf(this.#decoder);
      this.#output.line(isJson ? JSON.stringify({ summary }) : summaryText(summary).trimEnd());
    }
    await this.#output.flush();
    if (this.problem !== undefined) this.#environment.stderr.write(`oxmem-tloe: ${this.problem}\n`);
  }

  #stop(): void {
    this.#isStopped = true;
    this.#onStop();
  }

  #complain(name: string, why: string): void {
    this.problem = `"${name}" is not a whole capture: ${why}.`;
  }

  /** @returns why the file is of no more use, if so */
  #take(reader: CaptureReader): string | undefined {
    for (;;) {
      const step = reader.next();
      if (step.kind === 'broken') return step.why;
      if (step.kind === 'hungry') return undefined;
      this.#decode(step.record);
    }
  }

  #decode(record: CaptureRecord): void {
    const frame = this.#decoder.decode(record);
    const { isQuiet, isJson, onlyViolations } = this.#options;
    if (frame === undefined || isQuiet) return;
    if (onlyViolations && frame.violations.length === 0) return;
    this.#output.line(isJson ? jsonLine(frame) : textLine(frame, this.#painter));
  }
}
