import { afterAll } from 'vitest';
import type { TestContext } from 'vitest';
import { shellLanguages } from '../scripts/documents/typed-commands.mjs';
import { LabProgram, runProgram, type ProgramResult } from './lab-program.ts';
import { codeBlocks, commandsOf, namedBlock } from './readme-blocks.ts';

/** What a test puts in the place of what a document has: `[text, text]`. */
export type Replacement = readonly [string, string];

type Suite = NonNullable<TestContext['task']['suite']>;

/** `document: block: command`, of all that the shells of a test file have typed. */
const typed = new Set<string>();

/**
 * Says that the tests of this file type every command of these blocks, and fails behind the last of
 * them if they did not. Where one of them was skipped or has failed, that says enough.
 * `pnpm docs:check` reads the calls: both arguments have to be literals.
 *
 * @param document  path from the root of the repository
 * @param names     of blocks for a shell
 */
export function typesBlocks(document: string, names: RegExp): void {
  // oxlint-disable-next-line no-empty-pattern -- vitest takes no other first argument
  afterAll(({}, file) => {
    const missing = file.tasks.every(hasPassed) ? untypedLines(document, names) : [];
    if (missing.length > 0) throw new Error(`${document}: not typed: ${missing.join('; ')}`);
  });
}

/** What no shell of this test file has typed: `block: command`. */
export function untypedLines(document: string, names: RegExp): string[] {
  return codeBlocks(document)
    .filter(({ language }) => shellLanguages.includes(language))
    .filter(({ name }) => name !== undefined && names.test(name))
    .flatMap((block) => commandsOf(block).map((command) => `${block.name}: ${command}`))
    .filter((line) => !typed.has(`${document}: ${line}`));
}

/** Types the commands of a document, as they stand there but for the replacements. */
export class DocumentShell {
  readonly #document: string;
  readonly #replacements: readonly Replacement[];
  readonly #cwd: string;
  readonly #timeoutMs: number | undefined;
  readonly #running: LabProgram[] = [];
  /** Where adapted commands stand: `block: command`. */
  readonly #places = new Map<string, Set<string>>();

  /**
   * @param document      path from the root of the repository
   * @param cwd           where the commands run
   * @param replacements  made in every command, in this order
   * @param timeoutMs     for each command, or until it is ready
   */
  constructor(
    document: string,
    cwd: string,
    replacements: readonly Replacement[],
    timeoutMs?: number,
  ) {
    this.#document = document;
    this.#cwd = cwd;
    this.#replacements = replacements;
    this.#timeoutMs = timeoutMs;
  }

  /** The commands of a block, adapted. */
  commands(name: string): string[] {
    return commandsOf(namedBlock(this.#document, name)).map((command) => {
      const adapted = this.#replacements.reduce(
        (text, [from, to]) => text.replaceAll(from, to),
        command,
      );
      const places = this.#places.get(adapted) ?? new Set();
      this.#places.set(adapted, places.add(`${name}: ${command}`));
      return adapted;
    });
  }

  /** Types a block, and returns what all of it has said; throws when a command fails. */
  async type(name: string): Promise<string> {
    let output = '';
    for (const command of this.commands(name)) {
      const { code, stdout, stderr } = await this.run(command);
      if (code !== 0) throw new Error(`${command} ended with ${code}: ${stdout}${stderr}`);
      output += stdout;
    }
    return output;
  }

  /** Runs one adapted command to its end. */
  async run(command: string): Promise<ProgramResult> {
    this.#note(command);
    const limit = this.#timeoutMs === undefined ? {} : { timeoutMs: this.#timeoutMs };
    return await runProgram(['bash', '-c', command], { cwd: this.#cwd, ...limit });
  }

  /**
   * Types a block whose last command goes on, and waits for its ready line.
   *
   * @param name of the block
   * @param take how many of its commands; all unless told
   */
  async start(name: string, take = Infinity): Promise<LabProgram> {
    const commands = this.commands(name).slice(0, take);
    for (const command of commands.slice(0, -1)) {
      const { code, stderr } = await this.run(command);
      if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr}`);
    }
    return await this.startCommand(commands.at(-1) ?? '');
  }

  /** Starts one adapted command, and waits for its ready line. */
  async startCommand(command: string): Promise<LabProgram> {
    const program = this.launch(command);
    await program.waitFor('stdout', /^ready: /m, this.#timeoutMs);
    return program;
  }

  /** Starts one adapted command. */
  launch(command: string): LabProgram {
    this.#note(command);
    const program = new LabProgram(['bash', '-c', `exec ${command}`], { cwd: this.#cwd });
    this.#running.push(program);
    return program;
  }

  /** Ends what was started, the last one first. */
  async stop(): Promise<void> {
    for (const program of this.#running.splice(0).toReversed()) await program.stop('SIGTERM');
  }

  /** A test may have added options, or taken the `&` from the end. */
  #note(command: string): void {
    const adapted = [...this.#places.keys()];
    const found =
      adapted.find((each) => each === command) ??
      adapted.find((each) => `${command} `.startsWith(`${each.replace(/\s*&$/, '')} `));
    const places = found === undefined ? undefined : this.#places.get(found);
    for (const place of places ?? []) typed.add(`${this.#document}: ${place}`);
  }
}

function hasPassed(task: Suite['tasks'][number]): boolean {
  return task.type === 'suite' ? task.tasks.every(hasPassed) : task.result?.state === 'pass';
}
