import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fullPath } from '../scripts/debian-packages.mjs';

type Answer = Readonly<Record<string, unknown>>;

/** What the browser says: the answer to a command, or an event. */
interface Said {
  readonly id?: number;
  readonly method?: string;
  readonly result?: Answer;
  readonly error?: { readonly message: string };
}

/** A browser without a window, told what to do by the DevTools protocol on a pipe: no port is opened. */
export class HeadlessBrowser {
  readonly #process: ChildProcess;
  readonly #folder = mkdtempSync(join(tmpdir(), 'oxmem-browser-'));
  readonly #waiting = new Map<number, (said: Said) => void>();
  readonly #listeners = new Map<string, () => void>();
  /** Rejects when the browser has ended, or was never started. */
  readonly #over: Promise<never>;
  #lastId = 0;
  #text = '';
  #session = '';

  private constructor(program: string) {
    const options = ['--no-sandbox', '--remote-debugging-pipe', '--disable-dev-shm-usage'];
    const args = [...options, `--user-data-dir=${this.#folder}`, '--window-size=1280,900'];
    this.#process = spawn(program, args, {
      env: { ...process.env, PATH: fullPath() },
      // A group of its own, so that all of it can be ended.
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    // Whatever is written after its end.
    this.#process.stdio[3]?.on('error', () => {});
    const output = this.#process.stdio[4] as Readable;
    output.setEncoding('utf8');
    output.on('data', (text: string) => this.#hear(text));
    this.#over = new Promise((_, reject) => {
      this.#process.once('error', reject);
      this.#process.once('close', () => reject(new Error('the browser has ended')));
    });
    // Whoever waits hears of it.
    this.#over.catch(() => {});
  }

  /**
   * Starts a browser with one empty tab.
   *
   * @throws Error when it ends instead; nothing is left of it then
   */
  static async start(program = 'chromium-headless-shell'): Promise<HeadlessBrowser> {
    const browser = new HeadlessBrowser(program);
    try {
      const { targetId } = await browser.#tell('Target.createTarget', { url: 'about:blank' });
      const attached = await browser.#tell('Target.attachToTarget', { targetId, flatten: true });
      browser.#session = String(attached['sessionId']);
      await browser.#tell('Page.enable', {});
      return browser;
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  /** Opens a page, and waits until it and its scripts are loaded. */
  async open(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      this.#listeners.set('Page.loadEventFired', resolve);
    });
    const { errorText } = await this.#tell('Page.navigate', { url });
    if (errorText !== undefined) throw new Error(`${url}: ${JSON.stringify(errorText)}`);
    await Promise.race([loaded, this.#over]);
  }

  /** The value of an expression in the page; a promise is waited for. */
  async evaluate(expression: string): Promise<unknown> {
    const options = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = (await this.#tell('Runtime.evaluate', options)) as {
      result: { value?: unknown };
      exceptionDetails?: unknown;
    };
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  /** Types into whatever has the focus. */
  async type(text: string): Promise<void> {
    await this.#tell('Input.insertText', { text });
  }

  /** What is to be seen, as PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.#tell('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(String(data), 'base64');
  }

  /** Ends the browser with all its processes, and removes its files. */
  async close(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#process;
    if (pid !== undefined && exitCode === null && signalCode === null)
      process.kill(-pid, 'SIGKILL');
    await this.#over.catch(() => {});
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #tell(method: string, params: Answer): Promise<Answer> {
    const id = ++this.#lastId;
    const session = this.#session === '' ? {} : { sessionId: this.#session };
    const input = this.#process.stdio[3] as Writable;
    input.write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result ?? {});
        else reject(new Error(`${method}: ${error.message}`));
      });
    });
    return Promise.race([answer, this.#over]);
  }

  #hear(text: string): void {
    const messages = (this.#text + text).split('\0');
    this.#text = messages.pop() ?? '';
    for (const message of messages) {
      const said = JSON.parse(message) as Said;
      if (said.id === undefined) this.#listeners.get(said.method ?? '')?.();
      else this.#waiting.get(said.id)?.(said);
    }
  }
}
