/**
 * Takes everything off a block device that the kernel has put on it: mounts, swap, volumes, arrays.
 * For the end of a test, however it ended.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../lab-program.ts';
import { PATIENCE_MS } from './kernel-programs.ts';

/**
 * @param device path below /dev
 * @returns what had to be taken off, in words; empty: nobody used it
 */
export async function releaseDevice(device: string): Promise<string[]> {
  return await releaseBlock(device.replace('/dev/', ''));
}

/** Names of what stands on a block device directly: its partitions, and volumes and arrays on it. */
export function holdersOf(name: string): string[] {
  const folder = join('/sys/class/block', name);
  if (!existsSync(folder)) return [];
  const partitions = readdirSync(folder).filter((entry) =>
    existsSync(join(folder, entry, 'partition')),
  );
  return [...partitions, ...readdirSync(join(folder, 'holders'))];
}

async function releaseBlock(name: string): Promise<string[]> {
  const done: string[] = [];
  for (const holder of holdersOf(name)) {
    done.push(...(await releaseBlock(holder)));
    const end = endOf(holder);
    if (end === undefined) continue;
    done.push(end.join(' '));
    await runProgram(end, { timeoutMs: PATIENCE_MS });
  }
  for (const target of mountPointsOf(name)) {
    done.push(`umount ${target}`);
    await runProgram(['umount', target], { timeoutMs: PATIENCE_MS });
  }
  if (swapAreas().includes(`/dev/${name}`)) {
    done.push(`swapoff /dev/${name}`);
    await runProgram(['swapoff', `/dev/${name}`], { timeoutMs: PATIENCE_MS });
  }
  return done;
}

/** What ends a volume or an array; a partition needs nothing. */
function endOf(name: string): string[] | undefined {
  if (name.startsWith('md')) return ['mdadm', '--stop', `/dev/${name}`];
  if (!name.startsWith('dm-')) return undefined;
  const label = readFileSync(`/sys/class/block/${name}/dm/name`, 'utf8').trim();
  return ['dmsetup', 'remove', '--retry', label];
}

/** The last mounted first. */
function mountPointsOf(name: string): string[] {
  const number = readFileSync(`/sys/class/block/${name}/dev`, 'utf8').trim();
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n');
  const isOnIt = (words: string[]): boolean => {
    // btrfs has a number of its own; its source is the device all the same.
    const source = words[words.indexOf('-') + 2] ?? '';
    return words[2] === number || source === `/dev/${name}`;
  };
  const own = lines.map((line) => line.split(' ')).filter(isOnIt);
  return own.map((words) => words[4] ?? '').toReversed();
}

function swapAreas(): string[] {
  const lines = readFileSync('/proc/swaps', 'utf8').trim().split('\n').slice(1);
  return lines.map((line) => line.split(/\s+/)[0] ?? '');
}
