import {
  deviceFacts,
  deviceIndex,
  detachDevice,
  findDevice,
  isAttached,
  isHeld,
  usersOf,
  visibleUsers,
  type DetachOutcome,
  type DeviceFacts,
  type NbdMachine,
} from '@oxmem/nbd-kernel';
import { formatDuration } from '@oxmem/tloe-protocol/text';

import { ExitCode } from '../../cli/exit-codes.ts';
import { systemCode } from '../../errors.ts';
import {
  isServerAlive,
  readRecord,
  readRecords,
  removeRecord,
  type DeviceRecord,
} from '../../kernel/device-record.ts';
import { serverOf } from '../../kernel/device-server.ts';
import { removeWitnessFile } from '../../witness/witness-file.ts';
import type { DetachPorts } from '../command-ports.ts';
import type { DetachOptions } from './options.ts';
import { describeOpeners, planDetach, remedyFor, type DetachFacts, type Sibling } from './plan.ts';
import { waitUntil, type Patience } from './wait-until.ts';

/**
 * `oxmem-bdev detach DEV`: has a kernel device ended by whoever serves it, or ends it.
 *
 * @returns 0 when the kernel has forgotten the device, or did not have it
 * @throws NbdDeviceError when there is no such device, or it may not be touched
 */
export async function detach(options: DetachOptions, ports: DetachPorts): Promise<ExitCode> {
  return await new Detachment(options, ports).run();
}

class Detachment {
  readonly #options: DetachOptions;
  readonly #ports: DetachPorts;
  readonly #machine: NbdMachine;

  constructor(options: DetachOptions, ports: DetachPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#machine = ports.machine;
  }

  async run(): Promise<ExitCode> {
    const { device, force } = this.#options;
    const facts = this.#look(findDevice(device, this.#machine.files));
    const plan = planDetach(facts, force);
    switch (plan.kind) {
      case 'nothing':
        return this.#sayNotAttached();
      case 'refuse':
        return this.#refuse(ExitCode.deviceUnavailable, plan.sentence);
      case 'disconnect':
        return await this.#disconnect(facts);
      case 'stopDriver':
        return await this.#stopDriver(plan.devices, facts);
    }
  }

  #look(device: DeviceFacts): DetachFacts {
    const { files } = this.#machine;
    if (device.attachedPid === undefined) {
      return { device, users: undefined, server: undefined, siblings: [] };
    }
    const server = serverOf(device, readRecord(device.path, this.#ports.recordFolder), files);
    // The node is never opened: where I/O waits, an open would wait, too, and nothing ends that.
    const users = visibleUsers(device, files);
    const siblings = server.kind === 'driver' ? this.#siblingsOf(server.record) : [];
    return { device, users, server, siblings };
  }

  /** The other devices that the process of a record has attached. */
  #siblingsOf({ device, pid, startTime }: DeviceRecord): Sibling[] {
    const { files } = this.#machine;
    const siblings: Sibling[] = [];
    for (const { record } of readRecords(this.#ports.recordFolder)) {
      const index = deviceIndex(record?.device ?? '');
      const isOne =
        record?.pid === pid && record.startTime === startTime && record.device !== device;
      if (!isOne || index === undefined || !isAttached(index, files)) continue;
      const facts = deviceFacts(index, files);
      siblings.push({ device: facts, users: visibleUsers(facts, files) });
    }
    return siblings;
  }

  async #stopDriver(devices: readonly string[], facts: DetachFacts): Promise<ExitCode> {
    const { device, force, timeout } = this.#options;
    const { files } = this.#machine;
    const record = recordOf(facts) as DeviceRecord;
    try {
      this.#ports.signal(record.pid, 'SIGTERM');
    } catch (thrown) {
      // It has ended by itself meanwhile, and takes its device along.
      if (systemCode(thrown) !== 'ESRCH') return this.#refuseSignal(record.pid, thrown);
    }
    const isOver = (): boolean => {
      const isOneLeft = devices.some((path) => isAttached(deviceIndex(path) as number, files));
      return !isOneLeft && !isServerAlive(record, files);
    };
    const limitMillis = Math.min(timeout / 1000, force ? FORCED_STOP_MILLIS : Infinity);
    const patience = this.#patience(limitMillis, `process ${record.pid} to stop`);
    if (await waitUntil(isOver, patience)) return this.#say(describeDetached(devices));
    if (!isAttached(facts.device.index, files)) return this.#say(describeDetached([device]));
    if (!force) return await this.#reportOverdue(record.pid);
    await this.#kill(record);
    for (const { device: sibling } of facts.siblings) {
      await detachDevice(sibling.path, DISCONNECT_NOW, this.#machine);
    }
    return await this.#disconnect(facts);
  }

  /** A driver that is stopped or hangs reads nothing, and the kernel waits for it, deaf to us. */
  async #kill(record: DeviceRecord): Promise<void> {
    const { files } = this.#machine;
    if (!isServerAlive(record, files)) return;
    this.#ports.complain(`process ${record.pid} does not react and is killed`);
    this.#ports.signal(record.pid, 'SIGKILL');
    const patience = this.#patience(KILL_MILLIS, `process ${record.pid} to die`);
    await waitUntil(() => !isServerAlive(record, files), patience);
  }

  /** The driver was told to stop and has not let go of the device. */
  async #reportOverdue(pid: number): Promise<ExitCode> {
    const { device, timeout } = this.#options;
    const facts = deviceFacts(deviceIndex(device) as number, this.#machine.files);
    const users = visibleUsers(facts, this.#machine.files);
    const waited = formatDuration(timeout);
    if (users !== undefined) {
      return this.#refuse(
        ExitCode.deviceUnavailable,
        `${device} is still attached after ${waited}: ${users}; process ${pid} stops as soon as ` +
          `it can: ${remedyFor(facts)}, or give --force.`,
      );
    }
    return this.#refuse(
      ExitCode.failed,
      `${device} is still attached after ${waited}, although process ${pid} was told to stop: ` +
        'see what it logs, or give --force.',
    );
  }

  async #disconnect(facts: DetachFacts): Promise<ExitCode> {
    const { device } = this.#options;
    let isDone = false;
    const disconnecting = detachDevice(device, DISCONNECT_NOW, this.#machine).finally(() => {
      isDone = true;
    });
    // What goes wrong is told by the await below.
    disconnecting.catch(() => undefined);
    const patience = this.#patience(STUCK_MILLIS, 'the kernel to disconnect it');
    if (await waitUntil(() => isDone, patience)) return this.#report(await disconnecting);
    const record = recordOf(facts);
    if (record !== undefined) {
      await this.#kill(record);
      if (await waitUntil(() => isDone, patience)) return this.#report(await disconnecting);
    }
    return this.#refuse(
      ExitCode.failed,
      `${device} cannot be disconnected, for the kernel waits for whoever serves it: end that ` +
        'process, and try again.',
    );
  }

  /** Waits for the kernel to forget a device that was disconnected, and says what came of it. */
  async #report({ wasAttached, facts }: DetachOutcome): Promise<ExitCode> {
    const { device, timeout } = this.#options;
    const { files } = this.#machine;
    if (!wasAttached) return this.#sayNotAttached();
    // Nobody unmounts it because we wait.
    const limitMillis = Math.min(timeout / 1000, isHeld(facts) ? HELD_MILLIS : Infinity);
    const patience = this.#patience(limitMillis, 'the kernel to forget it');
    const isReleased = await waitUntil(() => !isAttached(facts.index, files), patience);
    this.#removeStaleRecord();
    if (isReleased) return this.#say(describeDetached([device]));
    const now = deviceFacts(facts.index, files);
    const users = usersOf({ ...now, attachedPid: undefined }) ?? 'somebody has it open';
    return this.#refuse(
      ExitCode.deviceUnavailable,
      `${device} is disconnected and every access to it fails, but the kernel keeps it until ` +
        `nobody uses it any more: ${users}; ${remedyFor(now)}.`,
    );
  }

  /** The record of a driver that was killed has nothing to say once its device is gone. */
  #removeStaleRecord(): void {
    const { recordFolder } = this.#ports;
    const record = readRecord(this.#options.device, recordFolder);
    if (record === undefined || isServerAlive(record, this.#machine.files)) return;
    // Where we may not remove it, it does no harm: nobody believes it.
    removeRecord(record, recordFolder);
    removeWitnessFile(record.device, recordFolder);
  }

  #patience(limitMillis: number, aim: string): Patience {
    const { device } = this.#options;
    const { clock, files } = this.#machine;
    return {
      clock,
      limitMillis,
      onProgress: (waited) => {
        const facts = deviceFacts(deviceIndex(device) as number, files);
        const who = [visibleUsers(facts, files), describeOpeners(facts)].filter(
          (each) => each !== undefined,
        );
        const why = who.length === 0 ? '' : ` (${who.join('; ')})`;
        this.#ports.complain(`${device}: waiting for ${aim}, ${waited / 1000} s so far${why}`);
      },
    };
  }

  #refuseSignal(pid: number, thrown: unknown): ExitCode {
    const { device } = this.#options;
    if (systemCode(thrown) !== 'EPERM') throw thrown;
    return this.#refuse(
      ExitCode.notPermitted,
      `${device} is served by process ${pid} of another user, which we may not stop: run with sudo.`,
    );
  }

  #sayNotAttached(): ExitCode {
    this.#removeStaleRecord();
    return this.#say(`${this.#options.device} is not attached`);
  }

  #say(sentence: string): ExitCode {
    this.#ports.print(sentence);
    return ExitCode.done;
  }

  #refuse(exitCode: ExitCode, sentence: string): ExitCode {
    this.#ports.complain(sentence);
    return exitCode;
  }
}

/** Of the driver that serves the device. */
function recordOf({ server }: DetachFacts): DeviceRecord | undefined {
  return server?.kind === 'driver' ? server.record : undefined;
}

function describeDetached(devices: readonly string[]): string {
  return `detached ${devices.join(', ')}`;
}

/** A driver that could stop in good order gets so long before it is forced. */
const FORCED_STOP_MILLIS = 10_000;
const KILL_MILLIS = 5000;
/** Longer than the kernel needs, unless it is stuck in a send to somebody who does not read. */
const STUCK_MILLIS = 5000;
/** Who uses it has been looked at, or does not matter; the waiting is ours. */
const DISCONNECT_NOW = { force: true, releaseMillis: 0 } as const;
const HELD_MILLIS = 2000;
