import { connect } from 'node:net';

import type { FileReader } from '@oxmem/nbd-kernel';

import { CLAIM_PREFIX } from '../endpoint/claim.ts';
import type { DriverReport } from './driver-report.ts';

/** What a driver tells who asks its claim. */
export type DriverTold = DriverReport & {
  /** Where an export listens; null: it has kernel devices. */
  readonly place: string | null;
};

/** How a claim is asked: its name, without the NUL that it begins with. */
export type AskDriver = (claim: string) => Promise<string | undefined>;

/**
 * Asks every driver in this network namespace how it fares: each holds a claim on its endpoint, and
 * /proc/net/unix lists them. Drivers that do not answer in time are left out.
 */
export async function runningDrivers(
  files: Pick<FileReader, 'readText'>,
  ask: AskDriver = askClaim,
): Promise<DriverTold[]> {
  const listed = files.readText('/proc/net/unix') ?? '';
  // A socket that was accepted has the name of the one that listens. Some versions of Node pad names
  // with NULs, which are shown as @.
  const found = [...listed.matchAll(CLAIM)].map(
    ([, name = '', padding = '']) => name + '\0'.repeat(padding.length),
  );
  const names = [...new Set(found)];
  const texts = await Promise.all(names.toSorted().map(ask));
  return texts.flatMap((text) => {
    const told = text === undefined ? undefined : readTold(text);
    return told === undefined ? [] : [told];
  });
}

/** Anybody can take a name like a claim's, so what it says is looked at. */
function readTold(text: string): DriverTold | undefined {
  try {
    const told = JSON.parse(text) as Partial<DriverTold> | null;
    const isWhole =
      told?.program === 'oxmem-bdev' &&
      Array.isArray(told.devices) &&
      Array.isArray(told.read?.latency_buckets_us) &&
      Array.isArray(told.write?.latency_buckets_us) &&
      typeof told.link?.counters === 'object';
    return isWhole ? (told as DriverTold) : undefined;
  } catch {
    return undefined;
  }
}

function askClaim(claim: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ path: `\0${claim}` });
    const end = (told: string | undefined): void => {
      socket.destroy();
      resolve(told);
    };
    socket.setTimeout(PATIENCE_MILLIS, () => end(undefined));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.length > MAX_TEXT) end(undefined);
    });
    socket.on('error', () => end(undefined));
    socket.on('end', () => end(text === '' ? undefined : text));
  });
}

const CLAIM = new RegExp(`@(${CLAIM_PREFIX}\\S+ [0-9a-f:]{17})(@*)$`, 'gm');
const PATIENCE_MILLIS = 1_000;
const MAX_TEXT = 4 * 1024 * 1024;
