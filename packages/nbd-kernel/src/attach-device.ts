import { attachByIoctl, attachByNetlink } from './attachment.ts';
import type { Attachment, AttachTerms } from './attachment.ts';
import { RETRY_DELAYS_MILLIS, chooseWay, stepAfter } from './attach-strategy.ts';
import type { AttachRequest, AttachWay } from './attach-strategy.ts';
import type { ByteStreamOptions } from './byte-stream.ts';
import { pause } from './device-clock.ts';
import {
  deviceFacts,
  deviceIndex,
  deviceIndexes,
  devicePath,
  isModuleLoaded,
  isTaken,
} from './device-facts.ts';
import type { DeviceFacts } from './device-facts.ts';
import {
  NbdDeviceError,
  abortedError,
  busyError,
  deviceError,
  isNativeError,
  noDeviceError,
  noFreeDeviceError,
  noModuleError,
  noNetlinkError,
  notNbdError,
} from './errors.ts';
import type { DetachCommand } from './errors.ts';
import { KernelStream } from './kernel-stream.ts';
import { NbdDevice } from './nbd-device.ts';
import { thisMachine } from './nbd-machine.ts';
import type { NbdMachine } from './nbd-machine.ts';

/** What a device is attached with. */
export interface AttachOptions {
  /** "/dev/nbd0" and so on, or "auto" for the first free one. */
  readonly device: string;
  /** Default "auto": netlink where it works, else ioctl. */
  readonly attach?: AttachRequest | undefined;
  /** A multiple of `blockBytes`. */
  readonly sizeBytes: number;
  /** Logical block size, a power of two from 512 to 4096. Default 4096. */
  readonly blockBytes?: number | undefined;
  /** Transmission flags of the NBD protocol. */
  readonly flags: number;
  /**
   * Seconds after which the kernel gives a request, and with it the connection, up; 0, the default:
   * never. To be longer than the server's own patience.
   */
  readonly timeoutSeconds?: number | undefined;
  /** Netlink: seconds that I/O waits for a successor after the connection died. Default 0. */
  readonly deadConnectionSeconds?: number | undefined;
  /** Netlink: what a successor must know to take the device over. */
  readonly backendIdentifier?: string | undefined;
  /** Connections, 1 to 16; more than one needs the flag CAN_MULTI_CONN. Default 1. */
  readonly connections?: number | undefined;
  readonly stream?: ByteStreamOptions | undefined;
  /** Netlink: give new streams to a device that has lost its server. */
  readonly isTakeOver?: boolean | undefined;
  /** Named as the remedy where somebody else has the device. Default: that of nbd-client. */
  readonly detachCommand?: DetachCommand | undefined;
  /** Gives the attachment up. */
  readonly signal?: AbortSignal | undefined;
  /** For the kernel to start the device and read its partition table. Default 15000. */
  readonly readyMillis?: number | undefined;
  /**
   * Called for each stream before the kernel has it. Must start it: the kernel reads the partition
   * table before `attachDevice` is done.
   */
  onStream(stream: KernelStream, connection: number): void;
}

/**
 * Looks whether a device could be attached, and changes nothing. Somebody may still be faster.
 *
 * @returns which way it would be
 * @throws NbdDeviceError as `attachDevice` rejects with
 */
export function checkAttachable(
  options: Pick<AttachOptions, 'device' | 'attach' | 'isTakeOver' | 'detachCommand'>,
  machine: NbdMachine = thisMachine(),
): AttachWay {
  const way = wayFor(options, machine);
  const index = deviceIndex(options.device);
  if (index !== undefined) {
    checkFacts(deviceFacts(index, machine.files), way, options, machine);
  }
  return way;
}

/**
 * Attaches a kernel device and waits until it is usable, partitions included. Looks before it
 * touches: a device that is missing, attached, mounted, swap space or part of another one is left
 * alone.
 *
 * @throws NbdDeviceError (as a rejection) with one sentence and a remedy
 * @throws RangeError for options that no kernel could fulfil
 */
export async function attachDevice(
  options: AttachOptions,
  machine: NbdMachine = thisMachine(),
): Promise<NbdDevice> {
  checkOptions(options);
  const way = wayFor(options, machine);
  const streams = Array.from(
    { length: options.connections ?? 1 },
    () => new KernelStream(machine.binding, options.stream),
  );
  try {
    streams.forEach((stream, connection) => options.onStream(stream, connection));
    const attachment = await attachSomewhere(way, termsOf(options, streams), options, machine);
    return await makeReady(new NbdDevice(attachment, streams, machine), options, machine);
  } catch (thrown) {
    for (const stream of streams) stream.close();
    throw thrown;
  }
}

function wayFor(options: Pick<AttachOptions, 'device' | 'attach'>, machine: NbdMachine): AttachWay {
  const { device, attach = 'auto' } = options;
  if (device !== 'auto' && deviceIndex(device) === undefined) throw notNbdError(device);
  const hasNetlink = attach === 'ioctl' ? false : machine.binding.hasNetlinkFamily();
  if (!hasNetlink && !isModuleLoaded(machine.files)) throw noModuleError(device);
  const { way } = chooseWay(attach, hasNetlink);
  if (way === undefined) throw noNetlinkError(device);
  return way;
}

type Terms = AttachTerms & { readonly isTakeOver: boolean };

function attachSomewhere(
  way: AttachWay,
  terms: Terms,
  options: AttachOptions,
  machine: NbdMachine,
): Promise<Attachment> {
  const fixed = deviceIndex(options.device);
  if (fixed !== undefined) return attachFixed(way, fixed, terms, { options, machine });
  return way === 'netlink'
    ? attachAnyByNetlink(terms, machine)
    : attachAnyByIoctl(terms, options, machine);
}

async function attachFixed(
  way: AttachWay,
  index: number,
  terms: Terms,
  { options, machine }: { options: AttachOptions; machine: NbdMachine },
): Promise<Attachment> {
  for (let attempt = 0; ; attempt++) {
    if (options.signal?.aborted === true) throw abortedError(options.device);
    const facts = deviceFacts(index, machine.files);
    checkFacts(facts, way, options, machine);
    try {
      return way === 'netlink'
        ? await attachByNetlink(machine.binding, index, terms)
        : await attachByIoctl(machine.binding, index, terms);
    } catch (thrown) {
      const delay = RETRY_DELAYS_MILLIS[attempt];
      const now = deviceFacts(index, machine.files);
      const errno = isNativeError(thrown) ? thrown.errno : 0;
      if (delay === undefined || stepAfter(errno, true, isTaken(now)) !== 'retry') {
        throw deviceError(now, thrown);
      }
      await pause(machine.clock, delay);
    }
  }
}

async function attachAnyByNetlink(terms: Terms, machine: NbdMachine): Promise<Attachment> {
  try {
    return await attachByNetlink(machine.binding, undefined, terms);
  } catch (thrown) {
    if (isNativeError(thrown) && stepAfter(thrown.errno, false, false) === 'next') {
      throw noFreeDeviceError();
    }
    throw deviceError(deviceFacts(0, machine.files), thrown);
  }
}

async function attachAnyByIoctl(
  terms: Terms,
  options: AttachOptions,
  machine: NbdMachine,
): Promise<Attachment> {
  for (const index of deviceIndexes(machine.files)) {
    if (options.signal?.aborted === true) throw abortedError(options.device);
    const facts = deviceFacts(index, machine.files);
    // One that somebody merely has open is likely to be somebody's in a moment.
    if (isTaken(facts) || !facts.hasNode || facts.openers.length > 0) continue;
    try {
      return await attachByIoctl(machine.binding, index, terms);
    } catch (thrown) {
      const errno = isNativeError(thrown) ? thrown.errno : 0;
      if (stepAfter(errno, false, false) !== 'next') throw deviceError(facts, thrown);
    }
  }
  throw noFreeDeviceError();
}

function checkFacts(
  facts: DeviceFacts,
  way: AttachWay,
  { isTakeOver = false, detachCommand }: Pick<AttachOptions, 'isTakeOver' | 'detachCommand'>,
  machine: NbdMachine,
): void {
  // Netlink makes devices beyond those that the module began with.
  if (way === 'ioctl' && !(facts.isKnown && facts.hasNode)) {
    throw noDeviceError(facts.path, deviceIndexes(machine.files).map(devicePath));
  }
  if (!isTakeOver && isTaken(facts)) throw busyError(facts, { detachCommand });
}

async function makeReady(
  device: NbdDevice,
  options: AttachOptions,
  machine: NbdMachine,
): Promise<NbdDevice> {
  let failure: unknown = undefined;
  try {
    const isReady = await device.becomeReady(options.readyMillis ?? READY_MILLIS);
    if (isReady && options.signal?.aborted !== true) return device;
    failure = isReady ? abortedError(device.path) : notReadyError(device, machine);
  } catch (thrown) {
    failure = deviceError(deviceFacts(device.index, machine.files), thrown);
  }
  // A device that was to be taken over may still have its server; to disconnect it is not ours.
  if (options.isTakeOver === true) device.abandon();
  else await device.detach({ flushMillis: 0 });
  throw failure;
}

function notReadyError(device: NbdDevice, machine: NbdMachine): NbdDeviceError {
  const { end, path } = device;
  // NBD_DO_IT says so of a device that has ended and is still open elsewhere.
  if (end?.reason === 'stopped') return busyError(deviceFacts(device.index, machine.files));
  const why =
    end === undefined ? 'its partition table could not be read in time' : `it ended: ${end.text}`;
  return new NbdDeviceError(
    'ERR_NBD_OS',
    `${path} was attached, but ${why}; \`sudo dmesg | grep nbd\` may say more.`,
    { device: path, errno: end?.errno },
  );
}

function termsOf(options: AttachOptions, streams: readonly KernelStream[]): Terms {
  return {
    sizeBytes: options.sizeBytes,
    blockBytes: options.blockBytes ?? DEFAULT_BLOCK_BYTES,
    flags: options.flags,
    timeoutSeconds: options.timeoutSeconds ?? 0,
    deadConnectionSeconds: options.deadConnectionSeconds ?? 0,
    backendIdentifier: options.backendIdentifier,
    streams,
    isTakeOver: options.isTakeOver ?? false,
  };
}

function checkOptions(options: AttachOptions): void {
  const blockBytes = options.blockBytes ?? DEFAULT_BLOCK_BYTES;
  checkRange('blockBytes', blockBytes, 512, 4096);
  if ((blockBytes & (blockBytes - 1)) !== 0) {
    throw new RangeError(`blockBytes must be a power of two, not ${blockBytes}`);
  }
  checkRange('sizeBytes', options.sizeBytes, blockBytes, Number.MAX_SAFE_INTEGER);
  if (options.sizeBytes % blockBytes !== 0) {
    throw new RangeError(`sizeBytes must be a multiple of ${blockBytes}`);
  }
  checkRange('flags', options.flags, 0, 0xffff);
  checkRange('timeoutSeconds', options.timeoutSeconds ?? 0, 0, 86_400);
  checkRange('deadConnectionSeconds', options.deadConnectionSeconds ?? 0, 0, 86_400);
  const connections = options.connections ?? 1;
  checkRange('connections', connections, 1, 16);
  if (connections > 1 && (options.flags & CAN_MULTI_CONN) === 0) {
    throw new RangeError('more than one connection needs the flag CAN_MULTI_CONN');
  }
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} must be a whole number from ${least} to ${most}, not ${value}`);
}

const DEFAULT_BLOCK_BYTES = 4096;
const CAN_MULTI_CONN = 0x100;
const READY_MILLIS = 15_000;
