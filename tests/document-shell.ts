import { LabProgram, runProgram, type ProgramResult } from './lab-program.ts';
import { commandsOf, namedBlock } from './readme-blocks.ts';

/** What a test puts in the place of what a document has: `[text, text]`. */
export type Replacement = readonly [string, string];

/** Types the commands of a document, as they stand there but for the replacements. */
export class DocumentShell {
  readonly #document: string;
  readonly #replacements: readonly Replacement[];
  readonly #cwd: string;
  readonly #running: LabProgram[] = [];

  /**
   * @param document      path from the root of the repository
   * @param cwd           where the commands run
   * @param replacements  made in every command, in this order
   */
  constructor(document: string, cwd: string, replacements: readonly Replacement[]) {
    this.#document = document;
    this.#cwd = cwd;
    this.#replacements = replacements;
  }

  /** The commands of a block, adapted. */
  commands(name: string): string[] {
    return commandsOf(namedBlock(this.#document, name)).map((command) =>
      this.#replacements.reduce((text, [from, to]) => text.replaceAll(from, to), command),
    );
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
    return await runProgram(['bash', '-c', command], { cwd: this.#cwd });
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
    const argv = ['bash', '-c', `exec ${command}`];
    const program = new LabProgram(argv, { cwd: this.#cwd });
    this.#running.push(program);
    await program.waitFor('stdout', /^ready: /m);
    return program;
  }

  /** Ends what was started, the last one first. */
  async stop(): Promise<void> {
    for (const program of this.#running.splice(0).toReversed()) await program.stop('SIGTERM');
  }
}
