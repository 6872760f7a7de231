import type { CloseResult } from '@oxmem/tloe-protocol';
import { describe, expect, it } from 'vitest';

import { DRAIN_MICROS, shutDown } from './shutdown.ts';

async function linesOf(how: CloseResult): Promise<string[]> {
  const lines: string[] = [];
  const parts = {
    frontEnd: {
      stop: async (grace: number) => {
        await Promise.resolve();
        lines.push(`device stopped within ${grace}`);
      },
    },
    link: {
      close: async () => {
        await Promise.resolve();
        lines.push('link closed');
        return how;
      },
    },
    closeTimeoutMicros: 500_000,
    release: async () => {
      await Promise.resolve();
      lines.push('released');
    },
  };
  await shutDown(parts, (line) => lines.push(`> ${line}`));
  return lines;
}

describe('a shutdown', () => {
  it('stops the device first, then the link, then the rest, and says so in between', async () => {
    expect(await linesOf('confirmed')).toEqual([
      `device stopped within ${DRAIN_MICROS}`,
      '> Closing OmniXtend connection...',
      'link closed',
      '> Disconnect packet sent successfully',
      'released',
      '> Cleanup complete',
    ]);
  });

  it.each([
    ['unanswered', 'not confirmed: the endpoint did not answer within 500ms'],
    ['byPeer', 'not needed: the endpoint had closed the connection'],
    ['unopened', 'not sent: the connection was not open'],
  ] as const)('says why there was no Close in good order: %s', async (how, why) => {
    expect(await linesOf(how)).toContain(`> Disconnect packet ${why}`);
  });
});
