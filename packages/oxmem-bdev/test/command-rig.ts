import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DeviceClock, FileReader } from '@oxmem/nbd-kernel';
import { MockKernel, type MockDevice } from '@oxmem/nbd-kernel/mock';

import type { ExitCode } from '../src/cli/exit-codes.ts';
import { readCommandLine } from '../src/cli/program.ts';
import { detach } from '../src/commands/detach/detach.ts';
import { status } from '../src/commands/status/status.ts';
import { removeRecord, writeRecord, type DeviceRecord } from '../src/kernel/device-record.ts';
import type { DriverTold } from '../src/observe/driver-told.ts';
import { systemError } from './system-error.ts';

/** A process that a mock machine shows in /proc. */
export interface MockProcess {
  readonly startTime: number;
  readonly command: string;
  /** What it does when it is asked to end; nothing unless given. */
  onTerminate?: (() => void) | undefined;
  /** What its death sets free. */
  onKill?: () => void;
  /** What happens just before. */
  beforeTerminate?: () => void;
  /** It belongs to somebody else. */
  readonly isForeign?: boolean;
}

/**
 * A machine for the commands: a mock kernel, processes, records of drivers, and time that passes
 * at once but is counted.
 */
export class CommandRig {
  readonly kernel: MockKernel;
  readonly folder: string = mkdtempSync(join(tmpdir(), 'oxmem-commands-'));
  readonly processes = new Map<number, MockProcess>();
  /** More files, by their paths. */
  readonly texts = new Map<string, string>();
  readonly printed: string[] = [];
  readonly complaints: string[] = [];
  /** What the drivers of the machine tell of themselves. */
  told: readonly DriverTold[] = [];
  readonly terminated: number[] = [];
  readonly killed: number[] = [];
  /** Called before each pause with the milliseconds that have passed. */
  onPause: (elapsedMillis: number) => void = () => {};
  readonly files: FileReader;
  #elapsedMillis = 0;

  constructor() {
    const clock: DeviceClock = { after: (millis, run) => this.#after(millis, run) };
    this.kernel = new MockKernel({ clock });
    const inner = this.kernel.files;
    this.files = {
      ...inner,
      readText: (path) => this.texts.get(path) ?? this.#processText(path) ?? inner.readText(path),
      readNames: (path) => this.#threads(path) ?? inner.readNames(path),
    };
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /**
   * A device with a server, which is an oxmem-bdev with a record unless said otherwise.
   *
   * @param pid  of the server; `processes` decides whether it lives
   */
  attach(index: number, pid: number, way: 'netlink' | 'ioctl' = 'netlink'): MockDevice {
    const device = this.kernel.device(index);
    const identifier = `oxmem 04:00:00:00:00:01 0x${index}000000+16777216`;
    device.way = way;
    device.pid = way === 'netlink' ? pid : pid + 1;
    device.config = {
      sizeBytes: 2 ** 24,
      blockBytes: 4096,
      flags: 1,
      timeoutSeconds: 0,
      deadConnectionSeconds: 30,
      backendIdentifier: way === 'netlink' ? identifier : undefined,
    };
    writeRecord(this.record(index, pid, way), this.folder);
    return device;
  }

  /** The driver has removed it. */
  forgetRecord(index: number): void {
    rmSync(join(this.folder, `nbd${index}.json`));
  }

  record(index: number, pid: number, way: 'netlink' | 'ioctl' = 'netlink'): DeviceRecord {
    return {
      pid,
      startTime: pid * 100,
      device: `/dev/nbd${index}`,
      sizeBytes: 2 ** 24,
      base: `0x${index}000000`,
      mac: '04:00:00:00:00:01',
      netdev: 'eth0',
      way,
      identifier: `oxmem 04:00:00:00:00:01 0x${index}000000+16777216`,
      readOnly: false,
      blockBytes: 4096,
    };
  }

  /** A driver that serves these devices and ends in good order when it is asked to. */
  startDriver(pid: number, ...indexes: number[]): MockProcess {
    const process: MockProcess = {
      startTime: pid * 100,
      command: 'node',
      onTerminate: () => this.endDriver(pid, ...indexes),
    };
    this.processes.set(pid, process);
    for (const index of indexes) this.attach(index, pid);
    return process;
  }

  endDriver(pid: number, ...indexes: number[]): void {
    for (const index of indexes) {
      this.kernel.device(index).disconnectNow();
      removeRecord(this.record(index, pid), this.folder);
    }
    this.processes.delete(pid);
  }

  /** Runs `oxmem-bdev ...args` on this machine. */
  async run(...args: string[]): Promise<ExitCode> {
    const command = readCommandLine(args);
    const ports = {
      files: this.files,
      recordFolder: this.folder,
      print: (text: string) => this.printed.push(...text.split('\n')),
      complain: (sentence: string) => this.complaints.push(sentence),
    };
    if (command.kind === 'status') {
      return await status(command.options, { ...ports, drivers: () => Promise.resolve(this.told) });
    }
    if (command.kind !== 'detach') throw new Error(JSON.stringify(command));
    const machine = { ...this.kernel.machine, files: this.files };
    const signal = (pid: number, name: string): void =>
      name === 'SIGKILL' ? this.#kill(pid) : this.#terminate(pid);
    return await detach(command.options, { ...ports, machine, signal });
  }

  #terminate(pid: number): void {
    this.processes.get(pid)?.beforeTerminate?.();
    const process = this.processes.get(pid);
    if (process === undefined) throw systemError('ESRCH');
    if (process.isForeign === true) throw systemError('EPERM');
    this.terminated.push(pid);
    process.onTerminate?.();
  }

  #kill(pid: number): void {
    this.killed.push(pid);
    this.processes.get(pid)?.onKill?.();
    this.processes.delete(pid);
  }

  #after(millis: number, run: () => void): () => void {
    const immediate = setImmediate(() => {
      this.#elapsedMillis += millis;
      this.onPause(this.#elapsedMillis);
      run();
    });
    return () => clearImmediate(immediate);
  }

  #processText(path: string): string | undefined {
    const [, pid, file] = /^\/proc\/(\d+)\/(stat|comm)$/.exec(path) ?? [];
    const process = this.processes.get(Number(pid));
    if (process === undefined) return undefined;
    if (file === 'comm') return `${process.command}\n`;
    return `${pid} (${process.command}) S 1${' 0'.repeat(17)} ${process.startTime} 0 0\n`;
  }

  #threads(path: string): string[] | undefined {
    const pid = Number(/^\/proc\/(\d+)\/task$/.exec(path)?.[1]);
    return this.processes.has(pid) ? [`${pid}`, `${pid + 1}`] : undefined;
  }
}
