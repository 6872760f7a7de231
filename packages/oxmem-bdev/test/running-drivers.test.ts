import { describe, expect, it } from 'vitest';

import { statusReport } from '../src/commands/status/device-status.ts';
import { statusLines } from '../src/commands/status/status-table.ts';
import { driverRates } from '../src/commands/top/driver-rates.ts';
import { plainLines, screenLines } from '../src/commands/top/top-screen.ts';
import { readDriverTold, type DriverTold } from '../src/observe/driver-told.ts';
import { runningDrivers } from '../src/observe/running-drivers.ts';
import { CommandRig } from './command-rig.ts';
import { toldDriver, toldTransfer } from './told-driver.ts';

describe('running drivers', () => {
  const listed = (...names: string[]): string =>
    names
      .map((name) => `0000: 00000002 00000000 00010000 0001 01 4711 @${name}\n`)
      .join('')
      .replaceAll('\0', '@');

  it('are found by their claims; what else has such a name is silent', async () => {
    const fifth = toldDriver({ pid: 5, endpoint: '04:00:00:00:00:05' });
    const asked: string[] = [];
    const texts: Record<string, string | undefined> = {
      'oxmem-bdev eth0 04:00:00:00:00:01': JSON.stringify(toldDriver()),
      'oxmem-bdev eth0 04:00:00:00:00:02': '{"program":"oxmem-bdev"}',
      'oxmem-bdev eth0 04:00:00:00:00:03': 'nonsense',
      'oxmem-bdev eth0 04:00:00:00:00:04': undefined,
      'oxmem-bdev eth0 04:00:00:00:00:05\0\0': JSON.stringify(fifth),
      'oxmem-bdev eth\u001b0 04:00:00:00:00:06': JSON.stringify(toldDriver()),
    };
    const names = [...Object.keys(texts), 'oxmem-bdev eth0 04:00:00:00:00:01', 'other thing'];
    const files = { readText: () => listed(...names) };
    const found = await runningDrivers(files, (claim) => {
      asked.push(claim);
      return Promise.resolve(texts[claim]);
    });
    expect(asked.toSorted()).toEqual(Object.keys(texts).toSorted());
    expect(found.told).toEqual([toldDriver(), fifth]);
    expect(found.silent).toEqual([
      // What this one tells is of another claim.
      'eth?0 04:00:00:00:00:06',
      'eth0 04:00:00:00:00:02',
      'eth0 04:00:00:00:00:03',
      'eth0 04:00:00:00:00:04',
    ]);
  });
});

describe('what a stranger tells instead of a driver', () => {
  /** All that people see of it. */
  function shown(told: DriverTold): string[] {
    const rig = new CommandRig();
    rig.close();
    const before = driverRates(toldDriver(), undefined, 1);
    const drivers = [driverRates(told, undefined, 1), driverRates(told, before, 1)];
    const picture = { drivers, silent: [] };
    const report = statusReport(rig.files, [], [told]);
    return [
      ...statusLines(report),
      ...JSON.stringify(report, undefined, 2).split('\n'),
      ...plainLines(picture),
      ...screenLines(picture, { isColoured: false, columns: 120 }),
    ];
  }

  it('is left out where anything is missing that is shown or calculated with', () => {
    const told = toldDriver();
    expect(readDriverTold(JSON.stringify(told))).toEqual(told);
    const crashing =
      '{"program":"oxmem-bdev","devices":[{"name":"x"}],"read":{"latency_buckets_us":[]},' +
      '"write":{"latency_buckets_us":[]},"link":{"counters":{}},"place":"x"}';
    expect(readDriverTold(crashing)).toBeUndefined();
    for (const text of ['', 'null', '7', '[]', '"x"', '{']) {
      expect(readDriverTold(text)).toBeUndefined();
    }
  });

  it('neither crashes a command nor moves the cursor, whatever it puts in place of a value', () => {
    const wrongs: unknown[] = [null, true, -1, 0.5, 'x', '\u001b]0;x\u0007\n', [], [[]], [7], {}];
    let understood = 0;
    const right = toldDriver({ read: toldTransfer(3) });
    for (const path of pathsOf(right)) {
      for (const wrong of [...wrongs, { a: { a: 1 } }, undefined]) {
        const text = JSON.stringify(withValue(right, path, wrong));
        // Larger than any number there is.
        for (const version of [text, text.replaceAll('0.5', '1e999')]) {
          const told = readDriverTold(version);
          if (told === undefined) continue;
          understood++;
          for (const line of shown(told)) expect(line).not.toMatch(/\p{C}|undefined|NaN|Infinity/u);
        }
      }
    }
    expect(understood).toBeGreaterThan(0);
  });

  it('has its control characters replaced', () => {
    const place = 'unix:\u001b]0;mine\u0007\u009b31m\u202e';
    const told = readDriverTold(JSON.stringify(toldDriver({ place, netdev: 'a\nb' })));
    expect(told).toMatchObject({ place: 'unix:?]0;mine??31m?', netdev: 'a?b' });
  });

  it('is not listened to at length', () => {
    const place = 'x'.repeat(2_000);
    expect(readDriverTold(JSON.stringify(toldDriver({ place })))).toBeUndefined();
    const devices = Array.from({ length: 2_000 }, () => toldDriver().devices[0]!);
    expect(readDriverTold(JSON.stringify(toldDriver({ devices })))).toBeUndefined();
  });
});

describe('a driver of another version', () => {
  it('is understood when it tells more, and names states and counters of its own', () => {
    const told = toldDriver({ endpoint_state: 'resting' });
    const newer = {
      ...told,
      colour: { of: 'tea' },
      link: { ...told.link, counters: { ...told.link.counters, tunnels: [7], naps: 3 } },
    };
    expect(readDriverTold(JSON.stringify(newer))).toMatchObject({
      endpoint_state: 'resting',
      link: { counters: { frames_resent: 0, naps: 3 } },
    });
  });

  it('is understood when it counts less', () => {
    const told = toldDriver();
    const older = { ...told, link: { ...told.link, counters: {}, credit_flits: {} } };
    expect(readDriverTold(JSON.stringify(older))).toEqual(older);
  });
});

type Path = readonly (string | number)[];

/** Where there is a value, of any kind. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const below = Object.entries(value).flatMap(([key, it]) => pathsOf(it, [...path, key]));
  return path.length === 0 ? below : [path, ...below];
}

function withValue(value: unknown, [key, ...rest]: Path, wrong: unknown): unknown {
  if (key === undefined) return wrong;
  const below = withValue((value as Record<string, unknown>)[key], rest, wrong);
  if (Array.isArray(value)) return value.map((it: unknown, i) => (String(i) === key ? below : it));
  return { ...(value as object), [key]: below };
}
