/** A control group of the kernel (version 2): how much memory the processes in it may have. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../lab-program.ts';
import { runInTime } from './kernel-programs.ts';

/** Made for one test; `remove` it when its processes have ended. */
export class MemoryGroup {
  readonly #mount: string;
  readonly #folder: string;

  private constructor(mount: string, folder: string) {
    this.#mount = mount;
    this.#folder = folder;
  }

  /**
   * @param mount a new folder, where the control groups are to be seen meanwhile
   * @param limits by file name, such as `memory.max`
   * @throws Error where the kernel has its memory controller elsewhere
   */
  static async make(mount: string, limits: Readonly<Record<string, string>>): Promise<MemoryGroup> {
    mkdirSync(mount);
    await runInTime('mount', '-t', 'cgroup2', 'none', mount);
    writeFileSync(join(mount, 'cgroup.subtree_control'), '+memory');
    const folder = join(mount, `oxmem-${process.pid}`);
    mkdirSync(folder);
    for (const [name, value] of Object.entries(limits)) writeFileSync(join(folder, name), value);
    return new MemoryGroup(mount, folder);
  }

  /** A line of shell that puts the shell itself into the group. */
  get enterLine(): string {
    return `echo $$ >${join(this.#folder, 'cgroup.procs')}`;
  }

  /** How often the kernel had to end a process of the group for want of memory. */
  get oomKills(): number {
    const events = readFileSync(join(this.#folder, 'memory.events'), 'utf8');
    return Number(/^oom_kill (\d+)$/m.exec(events)?.[1]);
  }

  async remove(): Promise<void> {
    if (existsSync(this.#folder)) rmdirSync(this.#folder);
    await runProgram(['umount', this.#mount]);
  }
}
