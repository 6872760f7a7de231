import { SECOND } from '@oxmem/tloe-protocol';
import { VirtualClock } from '@oxmem/tloe-protocol/testing';
import { expect, it } from 'vitest';

import { whileWaiting, type Waited } from './waiting.ts';

/** What is said while something takes so many seconds. */
async function said(
  seconds: number,
  isTerminal: boolean,
  given: Partial<Waited> = {},
): Promise<string[]> {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const logger = { info: (text: string) => void lines.push(`log: ${text}`) };
  const terminal = isTerminal ? (text: string) => void lines.push(text) : undefined;
  let end = (): void => {};
  const work = new Promise<number>((resolve) => (end = () => resolve(7)));
  const waited = { text: 'waits for X', ...given };
  const result = whileWaiting(work, waited, { clock, logger: logger as never, terminal });
  clock.advanceBy(seconds * SECOND);
  end();
  expect(await result).toBe(7);
  clock.advanceBy(60 * SECOND);
  return lines;
}

it('says nothing about what is over within two seconds', async () => {
  expect(await said(1.9, true)).toEqual([]);
  expect(await said(1.9, false)).toEqual([]);
});

it('counts the seconds on a terminal, and takes the line away at the end', async () => {
  expect(await said(4.5, true, { limitMicros: 5 * SECOND })).toEqual([
    '\r\u001b[K… waits for X, 2 s of at most 5 s\r',
    '\r\u001b[K… waits for X, 3 s of at most 5 s\r',
    '\r\u001b[K… waits for X, 4 s of at most 5 s\r',
    '\r\u001b[K',
  ]);
});

it('writes one line elsewhere, unless the log has one already', async () => {
  expect(await said(20, false)).toEqual(['log: waits for X, 2 s so far']);
  expect(await said(20, false, { isLogged: true })).toEqual([]);
});
