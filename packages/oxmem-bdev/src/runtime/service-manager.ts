import { constants } from 'node:os';

import { thisProcess, type NativeError, type NativeProcess } from '@oxmem/nbd-kernel';
import { MILLISECOND, SECOND, type Alarm, type Clock, type Micros } from '@oxmem/tloe-protocol';

import type { Logger } from '../observe/logger.ts';

/** What a ServiceManager needs of its surroundings. */
export interface ServiceManagerPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly environment: NodeJS.ProcessEnv;
  /** The native addon unless given; asked for only when a service manager listens. */
  readonly native?: Pick<NativeProcess, 'sendDatagram'>;
}

/**
 * Tells the service manager that started this process how it fares, in the language of sd_notify(3):
 * datagrams to the unix socket that `NOTIFY_SOCKET` names. Where nobody asked, nothing happens.
 *
 * It never waits for the service manager, which may itself be waiting for a device of ours: what it
 * has no room for is sent later. The signs of life that `WATCHDOG_USEC` asks for come from the event
 * loop, which is what carries the data: when it stands still, so do they.
 */
export class ServiceManager {
  readonly #ports: ServiceManagerPorts;
  readonly #address: string | undefined;
  readonly #lifeMicros: Micros | undefined;
  /** What it could not take yet, the oldest first. */
  readonly #waiting: string[] = [];
  #retry: Alarm | undefined = undefined;
  #life: Alarm | undefined = undefined;
  #native: Pick<NativeProcess, 'sendDatagram'> | undefined;
  #extendedAt: Micros | undefined = undefined;
  #hasFailed = false;

  constructor(ports: ServiceManagerPorts) {
    this.#ports = ports;
    this.#native = ports.native;
    this.#address = ports.environment['NOTIFY_SOCKET'] || undefined;
    this.#lifeMicros = this.#address === undefined ? undefined : lifeSignMicros(ports.environment);
  }

  /** The devices can be used. From now on there are signs of life. */
  ready(status: string): void {
    this.#tell('READY=1', `STATUS=${status}`);
    if (this.#lifeMicros === undefined) return;
    this.#life ??= this.#ports.clock.createAlarm(() => this.#showLife());
    this.#life.arm(this.#ports.clock.now() + this.#lifeMicros);
  }

  /** Somebody asked for the end. */
  stopping(): void {
    this.#tell('STOPPING=1', 'STATUS=stops');
  }

  /**
   * The end waits for whoever uses a device. To be called again and again meanwhile: each call lets
   * the service manager wait a little longer before it uses force.
   */
  waitsFor(users: string): void {
    const now = this.#ports.clock.now();
    if (this.#extendedAt !== undefined && now - this.#extendedAt < EXTEND_EACH) return;
    this.#extendedAt = now;
    this.#tell(`EXTEND_TIMEOUT_USEC=${EXTENSION}`, `STATUS=stops as soon as nobody uses ${users}`);
  }

  /** Nothing is sent any more. Idempotent. */
  close(): void {
    this.#flush();
    this.#waiting.length = 0;
    this.#retry?.close();
    this.#life?.close();
    this.#retry = undefined;
    this.#life = undefined;
  }

  #showLife(): void {
    // A full queue is a sign of life, too.
    if (this.#waiting.length === 0) this.#tell('WATCHDOG=1');
    this.#life?.arm(this.#ports.clock.now() + (this.#lifeMicros as Micros));
  }

  #tell(...lines: readonly string[]): void {
    if (this.#address === undefined) return;
    // A line break would begin an assignment of its own.
    this.#waiting.push(lines.map((line) => line.replaceAll('\n', ' ')).join('\n'));
    this.#flush();
  }

  #flush(): void {
    while (this.#waiting.length > 0) {
      const outcome = this.#send(this.#waiting[0] as string);
      if (outcome === 'later') {
        this.#retry ??= this.#ports.clock.createAlarm(() => this.#flush());
        this.#retry.arm(this.#ports.clock.now() + RETRY_AFTER);
        return;
      }
      this.#waiting.shift();
    }
  }

  #send(text: string): 'done' | 'later' {
    try {
      this.#native ??= thisProcess();
      this.#native.sendDatagram(this.#address as string, text);
      return 'done';
    } catch (thrown) {
      if ((thrown as Partial<NativeError>).errno === constants.errno.EAGAIN) return 'later';
      this.#complain(thrown);
      return 'done';
    }
  }

  #complain(thrown: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#ports.logger.warn(
      `the service manager at ${this.#address} cannot be told anything: ` +
        (thrown instanceof Error ? thrown.message : String(thrown)),
    );
  }
}

/** Twice as often as asked for, as sd_watchdog_enabled(3) wants it; undefined: nobody asked us. */
function lifeSignMicros(environment: NodeJS.ProcessEnv): Micros | undefined {
  const { WATCHDOG_USEC: micros = '', WATCHDOG_PID: pid } = environment;
  if (pid !== undefined && Number(pid) !== process.pid) return undefined;
  return /^[1-9]\d{0,14}$/.test(micros) ? Number(micros) / 2 : undefined;
}

const RETRY_AFTER: Micros = 50 * MILLISECOND;
const EXTEND_EACH: Micros = 5 * SECOND;
/** Longer than the pause between two of them, even when the machine is slow. */
const EXTENSION: Micros = 30 * SECOND;
