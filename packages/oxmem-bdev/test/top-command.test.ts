import { stripVTControlCharacters } from 'node:util';

import { SECOND } from '@oxmem/tloe-protocol';
import { describe, expect, it } from 'vitest';

import { driverRates, type DriverRates } from '../src/commands/top/driver-rates.ts';
import {
  formatCount,
  formatMicros,
  formatRate,
  sparkline,
} from '../src/commands/top/quantities.ts';
import { screenLines, type Picture } from '../src/commands/top/top-screen.ts';
import { top, type TopPorts } from '../src/commands/top/top.ts';
import type { DriverTold } from '../src/observe/driver-told.ts';
import type { DriversFound } from '../src/observe/running-drivers.ts';
import { toldDriver, toldTransfer } from './told-driver.ts';

const PLAIN = { isColoured: false, columns: 120 };

/** What is shown of a driver that was asked twice. */
function ratesOf(now: DriverTold, before: DriverTold): DriverRates {
  return driverRates(now, driverRates(before, undefined, 1), 1);
}

/** A picture of these alone. */
function of(...drivers: DriverRates[]): Picture {
  return { drivers, silent: [] };
}

describe('numbers', () => {
  it('have their unit and few digits', () => {
    expect([0, 999, 1000, 12_345, 123_456, 1.5e9].map(formatCount)).toEqual([
      '0',
      '999',
      '1.00k',
      '12.3k',
      '123k',
      '1.50G',
    ]);
    expect([0, 2_500_000].map(formatRate)).toEqual(['0B/s', '2.50MB/s']);
    expect([7, 1_234, 2_500_000].map(formatMicros)).toEqual(['7us', '1.23ms', '2.50s']);
  });

  it('stand in a sparkline from the right, the largest at the top', () => {
    expect(sparkline([1, 0, 4, 8], 6)).toBe('  ▂ ▅█');
    expect(sparkline([9, 9, 1, 2], 2)).toBe('▅█');
    expect(sparkline([0, 0], 3)).toBe('   ');
    expect(sparkline([1, 2], 0)).toBe('');
    expect(sparkline([1, 2], -1)).toBe('');
  });
});

describe('rates', () => {
  it('are of what happened between two reports, percentiles as well', () => {
    const before = toldDriver({ read: toldTransfer(1000, 5000) });
    const now = toldDriver({
      uptime_seconds: 12,
      read: {
        ...toldTransfer(1200),
        latency_buckets_us: [
          [79, 200],
          [5119, 1000],
        ],
      },
    });
    const { total, devices } = ratesOf(now, before);
    expect(total.read).toMatchObject({ requestsPerSecond: 100, bytesPerSecond: 409_600 });
    expect(total.read.latencyMicros).toMatchObject({ p50: 79, p99: 79 });
    expect(total.write.latencyMicros).toBeUndefined();
    expect(devices).toHaveLength(1);
  });

  it('begin anew with a new driver that has the number of an old one', () => {
    const before = toldDriver({ uptime_seconds: 100, read: toldTransfer(1000) });
    const now = toldDriver({ uptime_seconds: 2, read: toldTransfer(10) });
    expect(ratesOf(now, before).total.read.requestsPerSecond).toBe(5);
  });
});

describe('the picture', () => {
  /** With these rates in the row of blocks of each device. */
  function withPast(driver: DriverRates, past: readonly number[]): DriverRates {
    return { ...driver, devices: driver.devices.map((device) => ({ ...device, past })) };
  }

  const rates = ratesOf(
    toldDriver({ uptime_seconds: 11, read: toldTransfer(50_000, 120), in_flight: 32 }),
    toldDriver(),
  );

  it('has throughput, requests, latency, window, credits and what was sent again', () => {
    expect(screenLines(of(withPast(rates, [1, 4, 8])), PLAIN)).toEqual([
      'oxmem-bdev 700  04:00:00:00:00:01 via eth0  serving',
      '  window 3/256 frames, accesses 2/256, credits 4.10k flits, round trip 120us, resent 0 frames, unix:/run/x.sock',
      '  DEVICE          READ  IOPS        p50/p99     WRITE  IOPS        p50/p99 NOW',
      `  oxmem        205MB/s 50.0k    123us/123us      0B/s     0              -  32${' '.repeat(39)}▂▅█`,
      '',
    ]);
  });

  it.each([1, 10, 20, 40, 45, 60, 80, 99, 100, 120])(
    'keeps to the width of the terminal, says how the endpoint fares: %i columns',
    (columns) => {
      const past = Array.from({ length: 60 }, (_, i) => i);
      const picture = { drivers: [withPast(rates, past)], silent: ['eth0 04:00:00:00:00:02'] };
      const lines = screenLines(picture, { isColoured: true, columns });
      const seen = lines.map((line) => stripVTControlCharacters(line));
      for (const line of seen) expect(line.length).toBeLessThanOrEqual(columns);
      expect(seen[1]).toContain('serving'.slice(0, columns));
    },
  );

  it('has a row of blocks for the last minute, below the numbers where there is no room', () => {
    const picture = of(
      withPast(
        rates,
        Array.from({ length: 60 }, () => 5),
      ),
    );
    const linesAt = (columns: number): string[] =>
      screenLines(picture, { isColoured: false, columns });
    expect(linesAt(80).slice(3, 5)).toEqual([
      '  oxmem        205MB/s 50.0k    123us/123us      0B/s     0              -  32',
      `             ${'█'.repeat(60)}`,
    ]);
    expect(linesAt(100)[3]).toMatch(/ 32 {2}█{20}$/);
    expect(linesAt(200)[3]).toMatch(/ 32 {2}█{60}$/);
  });

  it('is black and white where colours are not wanted', () => {
    expect(screenLines(of(rates), PLAIN).join('')).not.toContain('\u001b');
  });

  it('shows in red what is wrong', () => {
    const link = { ...toldDriver().link, counters: { frames_resent: 500 } };
    const wrong = ratesOf(
      toldDriver({ uptime_seconds: 11, endpoint_state: 'lost', failed: { lost: 7 }, link }),
      toldDriver(),
    );
    const text = screenLines(of(wrong), { isColoured: true, columns: 120 }).join('\n');
    expect(text).toContain('\u001b[31mlost\u001b[39m');
    expect(text).toContain('500 frames/s are sent again');
    expect(text).toContain('7 requests/s of oxmem fail');
  });

  it('has a line with the sum where a driver has several devices', () => {
    const one = toldDriver().devices[0]!;
    const devices = [0, 1].map((i) => ({ ...one, name: `/dev/nbd${i}` }));
    const lines = screenLines(of(ratesOf(toldDriver({ devices }), toldDriver())), PLAIN);
    const names = lines.slice(3).map((line) => line.trim().split(' ')[0]);
    expect(names).toEqual(['/dev/nbd0', '/dev/nbd1', 'all', '']);
  });
});

describe('the command', () => {
  const SILENCE: DriversFound = { told: [], silent: ['eth0 04:00:00:00:00:01'] };

  /** Runs it over these reports, one a second. */
  async function run(
    reports: readonly (readonly DriverTold[] | DriversFound)[],
    given: Partial<TopPorts> & { once?: boolean },
  ): Promise<string> {
    let written = '';
    let turn = 0;
    const code = await top(
      { interval: SECOND, once: given.once ?? false },
      {
        drivers: () => {
          const found = reports[turn++] ?? [];
          return Promise.resolve('told' in found ? found : { told: found, silent: [] });
        },
        write: (text) => (written += text),
        terminal: undefined,
        isColoured: false,
        pause: () => Promise.resolve(turn < reports.length),
        ...given,
      },
    );
    expect(code).toBe(0);
    return written;
  }

  const first = [toldDriver()];
  const second = [toldDriver({ uptime_seconds: 11, read: toldTransfer(1000) })];
  const third = [toldDriver({ uptime_seconds: 12, read: toldTransfer(3000) })];

  it('prints plain lines where there is no terminal', async () => {
    const lines = (await run([first, second, third], {})).trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toBe(
      'pid=700 endpoint=04:00:00:00:00:01 state=serving window=256frames outstanding=3frames ' +
        'credits=4.10kflits round_trip=120us resent=0/s',
    );
    expect(lines[1]).toBe(
      'pid=700 device=oxmem read=4.10MB/s read_requests=1.00k/s read_p50=103us read_p99=103us ' +
        'write=0B/s write_requests=0/s in_flight=0 failed=0/s',
    );
    expect(lines[3]).toContain('read=8.19MB/s');
  });

  it('draws over the last picture on a terminal, and gives the cursor back', async () => {
    const terminal = (): { columns: number; rows: number } => ({ columns: 100, rows: 24 });
    const written = await run([first, second, third], { terminal });
    expect(written.split('\u001b[H')).toHaveLength(3);
    expect(written.startsWith('\u001b[?25l')).toBe(true);
    expect(written.endsWith('\u001b[?25h')).toBe(true);
    expect(written).toContain('█');
    // At the end of a full line it would clear the last column.
    expect(written).not.toContain('█\u001b[K');
    expect(written).toContain('\u001b[H\u001b[Koxmem-bdev 700');
  });

  it('ends after one picture with --once, and says when nobody runs', async () => {
    const text = await run([first, second, third], { once: true });
    expect(text.trimEnd().split('\n')).toHaveLength(2);
    expect(await run([[]], { once: true })).toBe('No oxmem-bdev runs in this network namespace.\n');
  });

  it('says who does not answer, and goes on afterwards with the rates of the time between', async () => {
    const later = [toldDriver({ uptime_seconds: 14, read: toldTransfer(7000) })];
    const lines = (await run([first, second, SILENCE, SILENCE, later], {})).split('\n');
    expect(lines.filter((line) => line.startsWith('The driver'))).toEqual([
      'The driver of eth0 04:00:00:00:00:01 does not answer.',
      'The driver of eth0 04:00:00:00:00:01 does not answer.',
    ]);
    expect(lines.join()).not.toContain('No oxmem-bdev runs');
    const rates = lines.filter((line) => line.includes('read_requests='));
    expect(rates.map((line) => /read_requests=(\S+)/.exec(line)?.[1])).toEqual([
      '1.00k/s',
      '2.00k/s',
    ]);
  });

  it('keeps the past of a driver that misses a turn', async () => {
    const terminal = (): { columns: number; rows: number } => ({ columns: 120, rows: 24 });
    const written = await run([first, second, SILENCE, third], { terminal });
    expect(written.split('\u001b[H').at(-1)).toContain('▅█');
  });

  it('does not show the rates of a life as those of a second', async () => {
    // It did not answer when it was asked first.
    expect(await run([SILENCE, second], {})).not.toContain('read=');
    const terminal = (): { columns: number; rows: number } => ({ columns: 120, rows: 24 });
    const picture = await run([SILENCE, second], { terminal });
    expect(picture).toContain('serving');
    expect(picture).not.toContain('READ');
    // What began within the last interval has no other.
    const young = toldDriver({ uptime_seconds: 0.5, read: toldTransfer(1000) });
    expect(await run([[], [young]], {})).toContain('read_requests=2.00k/s');
  });

  it('forgets in the end whom nobody hears any more', async () => {
    const late = [toldDriver({ uptime_seconds: 40, read: toldTransfer(9000) })];
    const silences = Array.from({ length: 20 }, () => SILENCE);
    const written = await run([first, second, ...silences, late], {});
    // Of the second report alone.
    expect(written.split('read_p50')).toHaveLength(2);
  });

  it('ends when it is asked to, though nobody has answered', async () => {
    expect(await run([], { drivers: () => Promise.resolve(undefined) })).toBe('');
  });
});
