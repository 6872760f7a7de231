import type { TextStream } from './environment.ts';

/** Lines on their way out, in pieces that are worth a write. */
export class LineOutput {
  readonly #stream: TextStream;
  #text = '';
  #isBlocked = false;
  #resume: () => void = () => {};

  constructor(stream: TextStream) {
    this.#stream = stream;
    stream.once('close', () => this.#resume());
  }

  /** Whoever read the lines has gone. */
  get isClosed(): boolean {
    return this.#stream.destroyed === true;
  }

  /** Adds a line, or whole lines; ends are added. */
  line(text: string): void {
    this.#text += `${text}\n`;
    if (this.#text.length >= PIECE) this.#write();
  }

  /** Writes what there is, and waits while the other end is slow. */
  async flush(): Promise<void> {
    if (this.#text !== '') this.#write();
    if (!this.#isBlocked || this.isClosed) return;
    await new Promise<void>((resolve) => {
      this.#resume = resolve;
      this.#stream.once('drain', resolve);
    });
    this.#isBlocked = false;
  }

  #write(): void {
    const text = this.#text;
    this.#text = '';
    if (!this.isClosed) this.#isBlocked = !this.#stream.write(text);
  }
}

const PIECE = 64 * 1024;
