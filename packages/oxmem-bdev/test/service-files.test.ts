import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { readCommandLine } from '../src/cli/program.ts';
import { RECORD_FOLDER } from '../src/kernel/device-record.ts';

function read(name: string): string {
  return readFileSync(new URL(`../systemd/${name}`, import.meta.url), 'utf8');
}

/** What stands behind `key=` in a unit, all of it when it stands there more than once. */
function values(unit: string, key: string): string[] {
  const lines = unit.replaceAll('\\\n', '').split('\n');
  return lines
    .filter((line) => line.startsWith(`${key}=`))
    .map((line) => line.slice(key.length + 1).replaceAll(/ +/g, ' '));
}

/** The variables of an EnvironmentFile. */
function variables(conf: string): Map<string, string> {
  const lines = conf.split('\n').filter((line) => /^\w+=/.test(line));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

describe('the service files', () => {
  const unit = read('oxmem-bdev@.service');
  const swap = read('swap.conf');
  const conf = variables(read('example.conf'));

  /** As systemd does it: braces keep a value one word, without them it is split. */
  function commandLine(): string[] {
    const [command = ''] = values(unit, 'ExecStart');
    const [program, ...words] = command.split(' ');
    expect(program).toBe('oxmem-bdev');
    return words.flatMap((word) => {
      const bare = /^\$(\w+)$/.exec(word)?.[1];
      if (bare !== undefined) return (conf.get(bare) ?? '').split(' ');
      return [word.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => conf.get(name) ?? '')];
    });
  }

  it('start the driver with a command line that it understands', () => {
    const { kind, options } = readCommandLine(commandLine()) as { kind: string; options: object };
    expect(kind).toBe('run');
    expect(options).toMatchObject({ attach: 'netlink', takeover: true, device: '/dev/nbd0' });
  });

  it('have an example for every variable that they use, and for no other', () => {
    const used = [...`${unit}${swap}`.matchAll(/\$\{?(OXMEM_\w+)/g)].map(([, name]) => name);
    expect(new Set(used)).toEqual(new Set(conf.keys()));
  });

  it('start anew well within the time for which I/O waits', () => {
    const { options } = readCommandLine(commandLine()) as { options: { restartWait: number } };
    const [pause = ''] = values(unit, 'RestartSec');
    expect(Number(/^(\d+)s$/.exec(pause)?.[1]) * 10e6).toBeLessThan(options.restartWait);
  });

  it('keep what a successor needs where the driver puts it', () => {
    expect(`/run/${values(unit, 'RuntimeDirectory')[0]}`).toBe(RECORD_FOLDER);
    expect(values(unit, 'RuntimeDirectoryPreserve')).toEqual(['yes']);
  });

  it('grant no capability beyond what the driver says it needs', () => {
    for (const key of ['AmbientCapabilities', 'CapabilityBoundingSet']) {
      expect(values(unit, key)).toEqual(['CAP_NET_RAW CAP_SYS_ADMIN']);
      expect(values(swap, key)).toEqual(['CAP_SYS_RESOURCE CAP_SYS_NICE CAP_IPC_LOCK']);
    }
  });

  it('have the machine start without the endpoint, and unmount before the network goes', () => {
    const [line = ''] = read('fstab.example')
      .split('\n')
      .filter((text) => text !== '' && !text.startsWith('#'));
    const fields = line.split(/\s+/);
    expect(fields).toHaveLength(6);
    expect(fields[3]?.split(',')).toEqual(
      expect.arrayContaining(['_netdev', 'nofail', 'x-systemd.requires=oxmem-bdev@NAME.service']),
    );
    expect(values(unit, 'Before')).toEqual(['remote-fs-pre.target']);
    expect(values(unit, 'After')[0]).toContain('network-online.target');
  });
});
