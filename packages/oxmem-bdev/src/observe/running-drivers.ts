import { connect } from 'node:net';

import type { FileReader } from '@oxmem/nbd-kernel';

import { CLAIM_PREFIX } from '../endpoint/claim.ts';
import { readDriverTold, type DriverTold } from './driver-told.ts';

/** Who holds claims on endpoints in a network namespace. */
export interface DriversFound {
  readonly told: readonly DriverTold[];
  /**
   * Claims of those that did not answer in time, or not as the driver whose claim it is: interface
   * and endpoint.
   */
  readonly silent: readonly string[];
}

/** How a claim is asked: its name, without the NUL that it begins with. */
export type AskDriver = (claim: string) => Promise<string | undefined>;

/**
 * Asks every driver in this network namespace how it fares: each holds a claim on its endpoint, and
 * /proc/net/unix lists them.
 */
export async function runningDrivers(
  files: Pick<FileReader, 'readText'>,
  ask: AskDriver = askClaim,
): Promise<DriversFound> {
  const listed = files.readText('/proc/net/unix') ?? '';
  // A socket that was accepted has the name of the one that listens. Some versions of Node pad names
  // with NULs, which are shown as @.
  const found = [...listed.matchAll(CLAIM)].map(
    ([, name = '', padding = '']) => name + '\0'.repeat(padding.length),
  );
  const names = [...new Set(found)].toSorted();
  const texts = await Promise.all(names.map(ask));
  const told: DriverTold[] = [];
  const silent: string[] = [];
  names.forEach((name, i) => {
    const driver = readDriverTold(texts[i] ?? '');
    const claim = name.slice(CLAIM_PREFIX.length).replaceAll('\0', '');
    // Nobody speaks for another one.
    if (driver !== undefined && `${driver.netdev} ${driver.endpoint}` === claim) told.push(driver);
    else silent.push(claim.replaceAll(/\p{C}/gu, '?'));
  });
  return { told, silent };
}

function askClaim(claim: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ path: `\0${claim}` });
    const end = (told: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(told);
    };
    // For the whole answer: a byte now and then does not make it longer.
    const timer = setTimeout(() => end(undefined), PATIENCE_MILLIS);
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
const MAX_TEXT = 1024 * 1024;
