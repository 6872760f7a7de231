import type { FileReader } from './file-reader.ts';

/**
 * What the machine's files say about one NBD device at the moment of the question: whether it is
 * there, whether it is attached, and who uses it. Nothing is opened and nothing changed, so it may
 * be asked of any device at any time.
 */
export interface DeviceFacts {
  readonly index: number;
  /** Path of the device node, "/dev/nbd3". */
  readonly path: string;
  readonly isModuleLoaded: boolean;
  /** The kernel has this device. */
  readonly isKnown: boolean;
  /** There is a node for it. */
  readonly hasNode: boolean;
  /**
   * Content of the sysfs file "pid": the device is attached. It is a thread's number with ioctl
   * and the attaching process's with netlink, also after that process is gone.
   */
  readonly attachedPid: number | undefined;
  /** Backend identifier given by netlink, if there is one. */
  readonly backendIdentifier: string | undefined;
  /** Bytes; 0 when not attached. */
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** Names of partitions, "nbd3p1". */
  readonly partitions: readonly string[];
  /** Where it or a partition is mounted. */
  readonly mounts: readonly Mount[];
  /** Paths in use as swap space. */
  readonly swaps: readonly string[];
  /** Block devices built on it: dm-0, md127. */
  readonly holders: readonly string[];
  /** Processes that have it open, as far as we may look. */
  readonly openers: readonly Opener[];
}

/** A mounted file system. */
export interface Mount {
  /** "/dev/nbd3p1" */
  readonly source: string;
  readonly target: string;
}

/** A process that has the device open. */
export interface Opener {
  readonly pid: number;
  readonly command: string;
}

/** Number of the device in "/dev/nbd3"; undefined for any other name (partitions, too). */
export function deviceIndex(path: string): number | undefined {
  const match = /^\/dev\/nbd(0|[1-9]\d{0,5})$/.exec(path);
  return match === null ? undefined : Number(match[1]);
}

/** The node of the device with this index: "/dev/nbd3". */
export function devicePath(index: number): string {
  return `/dev/nbd${index}`;
}

/** Whether the nbd driver is in the kernel, as a module or built in. */
export function isModuleLoaded(files: FileReader): boolean {
  return files.readNames('/sys/module/nbd') !== undefined || deviceIndexes(files).length > 0;
}

/** All NBD devices of this machine, attached or not, in order. */
export function deviceIndexes(files: FileReader): number[] {
  const names = files.readNames('/sys/block') ?? [];
  return names
    .map((name) => deviceIndex(`/dev/${name}`))
    .filter((index) => index !== undefined)
    .toSorted((a, b) => a - b);
}

/** Whether the kernel holds the device configured: the file that is the last to vanish. */
export function isAttached(index: number, files: FileReader): boolean {
  return files.readText(`/sys/block/nbd${index}/pid`) !== undefined;
}

/** Everything about device `index`. Reads /proc/PID/fd of every process: some milliseconds. */
export function deviceFacts(index: number, files: FileReader): DeviceFacts {
  const name = `nbd${index}`;
  const folder = `/sys/block/${name}`;
  const entries = files.readNames(folder) ?? [];
  const partitions = entries.filter((entry) => entry.startsWith(`${name}p`)).toSorted();
  const nodes = new Set([name, ...partitions].map((each) => `/dev/${each}`));
  return {
    index,
    path: devicePath(index),
    isModuleLoaded: isModuleLoaded(files),
    isKnown: entries.length > 0,
    hasNode: files.isBlockDevice(devicePath(index)) === true,
    attachedPid: numberIn(files.readText(`${folder}/pid`)),
    backendIdentifier: files.readText(`${folder}/backend`)?.trim(),
    sizeBytes: (numberIn(files.readText(`${folder}/size`)) ?? 0) * SECTOR_BYTES,
    isReadOnly: files.readText(`${folder}/ro`)?.trim() === '1',
    partitions,
    mounts: mountsOf(nodes, files),
    swaps: swapsOn(nodes, files),
    holders: [folder, ...partitions.map((each) => `${folder}/${each}`)].flatMap(
      (each) => files.readNames(`${each}/holders`) ?? [],
    ),
    openers: openersOf(nodes, files),
  };
}

/** Who uses the device, in words without a full stop; undefined: nobody that one can see. */
export function usersOf(facts: DeviceFacts): string | undefined {
  const { attachedPid, mounts, swaps, holders, openers } = facts;
  const users = [
    attachedPid === undefined ? undefined : `attached by process ${attachedPid}`,
    ...mounts.map(({ source, target }) => `${source} is mounted on ${target}`),
    ...swaps.map((path) => `${path} is swap space`),
    holders.length === 0 ? undefined : `in use by ${holders.join(', ')}`,
    openers.length === 0
      ? undefined
      : `open in ${openers.map(({ pid, command }) => `${command} (process ${pid})`).join(', ')}`,
  ].filter((user) => user !== undefined);
  return users.length === 0 ? undefined : users.join('; ');
}

/**
 * Who would lose data if the device went away now, in words without a full stop; undefined: nobody.
 *
 * @param facts  of the device, just asked for
 */
export async function usersAtRisk(
  facts: DeviceFacts,
  files: FileReader,
): Promise<string | undefined> {
  if (isHeld(facts)) return usersOf({ ...facts, attachedPid: undefined });
  // An unmount leaves the table of mounts first, and writes afterwards.
  if (!(await files.isClaimed(facts.path))) return undefined;
  return `${facts.path} is still being unmounted, or in use in another namespace`;
}

/**
 * Who would lose data if the device went away now, as `usersAtRisk`, but without opening the node:
 * an open waits for I/O that somebody else waits for, and a device without a server has no end to
 * that. Sees filesystems in all namespaces and until the last byte of an unmount is written, of the
 * kinds that show themselves in sysfs: btrfs, ext2 to ext4, f2fs, xfs.
 */
export function visibleUsers(facts: DeviceFacts, files: FileReader): string | undefined {
  if (isHeld(facts)) return usersOf({ ...facts, attachedPid: undefined, openers: [] });
  const names = [`nbd${facts.index}`, ...facts.partitions];
  const kind = FILESYSTEMS.find((each) => names.some((name) => hasFilesystem(each, name, files)));
  if (kind === undefined) return undefined;
  return `a filesystem (${kind}) on it is still being unmounted, or mounted in another namespace`;
}

/**
 * Whether taking the device would take it from somebody. A process that merely has the node open
 * does not count: that is what udev does for a moment after every change.
 */
export function isTaken(facts: DeviceFacts): boolean {
  return facts.attachedPid !== undefined || isHeld(facts);
}

/** Whether something would lose data or hang if the device went away. */
export function isHeld(facts: DeviceFacts): boolean {
  return facts.mounts.length > 0 || facts.swaps.length > 0 || facts.holders.length > 0;
}

function hasFilesystem(kind: string, name: string, files: FileReader): boolean {
  const folder = `/sys/fs/${kind}`;
  const entries = files.readNames(folder) ?? [];
  if (kind !== 'btrfs') return entries.includes(name);
  return entries.some((id) => files.readNames(`${folder}/${id}/devices`)?.includes(name) === true);
}

function mountsOf(nodes: ReadonlySet<string>, files: FileReader): Mount[] {
  return linesOf(files.readText('/proc/mounts'))
    .map((line) => line.split(' ').map(withoutEscapes))
    .filter(([source]) => source !== undefined && nodes.has(source))
    .map(([source = '', target = '']) => ({ source, target }));
}

function swapsOn(nodes: ReadonlySet<string>, files: FileReader): string[] {
  return linesOf(files.readText('/proc/swaps'))
    .map((line) => withoutEscapes(line.split(/\s/)[0] ?? ''))
    .filter((path) => nodes.has(path));
}

function openersOf(nodes: ReadonlySet<string>, files: FileReader): Opener[] {
  const pids = (files.readNames('/proc') ?? []).filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) => hasOpen(pid, nodes, files))
    .map((pid) => ({
      pid: Number(pid),
      command: files.readText(`/proc/${pid}/comm`)?.trim() ?? 'unknown',
    }));
}

function hasOpen(pid: string, nodes: ReadonlySet<string>, files: FileReader): boolean {
  const folder = `/proc/${pid}/fd`;
  return (files.readNames(folder) ?? []).some((descriptor) => {
    const target = files.readLink(`${folder}/${descriptor}`);
    return target !== undefined && nodes.has(target);
  });
}

function linesOf(text: string | undefined): string[] {
  return (text ?? '').split('\n').filter((line) => line !== '');
}

/** The kernel writes a space in a path as \040. */
function withoutEscapes(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

function numberIn(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+\s*$/.test(text)) return undefined;
  return Number(text);
}

const SECTOR_BYTES = 512;
const FILESYSTEMS = ['btrfs', 'ext4', 'f2fs', 'xfs'];
