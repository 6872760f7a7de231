import { readFileSync } from 'node:fs';

import { ADDRESS_ZERO, SECOND } from '@oxmem/tloe-protocol';
import { describe, expect, it } from 'vitest';

import { OPTION_RULES, type Options } from './options.ts';
import { COMMANDS, readCommandLine } from './program.ts';

const REQUIRED = ['--netdev=eth0', '--mac=04:00:00:00:00:01', '--size=1G'];

function optionsOf(...args: string[]): Options {
  const commandLine = readCommandLine([...REQUIRED, ...args]);
  if (commandLine.kind !== 'run') throw new Error(JSON.stringify(commandLine));
  return commandLine.options;
}

function sentenceOf(...args: string[]): string {
  const commandLine = readCommandLine(args);
  if (commandLine.kind !== 'usageError') throw new Error(`accepted: ${args.join(' ')}`);
  return commandLine.sentence;
}

describe('a command line with the required options only', () => {
  it('takes the defaults of the contract', () => {
    expect(optionsOf()).toEqual({
      netdev: 'eth0',
      mac: Uint8Array.of(4, 0, 0, 0, 0, 1),
      size: 2 ** 30,
      base: ADDRESS_ZERO,
      device: undefined,
      num: 1,
      attach: 'auto',
      takeover: false,
      restartWait: 30 * SECOND,
      swap: false,
      listen: undefined,
      tlsCert: undefined,
      tlsKey: undefined,
      tlsCa: undefined,
      readOnly: false,
      blockSize: 4096,
      maxRequest: 10,
      window: 256,
      busyPoll: 0,
      dataOrder: 'raw',
      profile: 'auto',
      requestTimeout: 1_000_000,
      openTimeout: 5_000_000,
      endpointLost: 'fail',
      endpointRestarted: 'prove',
      statsFile: undefined,
      statsInterval: 2 * SECOND,
      metrics: undefined,
      pcap: undefined,
      pidFile: undefined,
      logLevel: 'info',
      logFormat: 'text',
    } satisfies Options);
  });

  it('may give each value as the next argument', () => {
    const separate = REQUIRED.flatMap((argument) => argument.split('='));
    expect(readCommandLine(separate)).toEqual(readCommandLine(REQUIRED));
  });
});

/** Option, good values with what they mean, bad values. */
const TABLE: readonly [keyof Options, readonly [string, unknown][], readonly string[]][] = [
  ['netdev', [['enp3s0.7', 'enp3s0.7']], ['', 'a b', 'x/y', 'sixteen_letters_']],
  [
    'mac',
    [['04-3F-00-00-00-02', Uint8Array.of(4, 0x3f, 0, 0, 0, 2)]],
    ['', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01', '04:00:00:00:00', 'eth0'],
  ],
  [
    'size',
    [
      ['8192', 8192],
      ['8GiB', 2 ** 33],
      ['9007199254736896', 2 ** 53 - 4096],
    ],
    ['0', '256', '12Q', '-1', '9007199254740992', '1.5G'],
  ],
  [
    'base',
    [
      ['100000000', { high: 1, low: 0 }],
      ['0x8000000000000000', { high: 0x80000000, low: 0 }],
    ],
    ['', '4', '0x12345678123456780', 'zz'],
  ],
  [
    'device',
    [
      ['auto', 'auto'],
      ['/dev/nbd12', '/dev/nbd12'],
      // Whether it is one of NBD is the kernel's business.
      ['/dev/sda', '/dev/sda'],
    ],
    ['', 'nbd0', '/dev/', '/dev/a b', '/dev/disk/by-id/x', '/tmp/nbd0'],
  ],
  [
    'num',
    [
      ['1', 1],
      ['16', 16],
    ],
    ['', '0', '17', '-1', '1.5', 'four'],
  ],
  [
    'attach',
    [
      ['netlink', 'netlink'],
      ['ioctl', 'ioctl'],
      ['auto', 'auto'],
    ],
    ['', 'NETLINK', 'nbd-client'],
  ],
  [
    'restartWait',
    [
      ['0', 0],
      ['60m', 3600 * SECOND],
      ['90s', 90 * SECOND],
    ],
    ['', '1500ms', '61m', '30'],
  ],
  [
    'listen',
    [
      ['unix:/run/x.sock', { kind: 'unix', path: '/run/x.sock' }],
      ['tcp:[::1]:10809', { kind: 'tcp', host: '::1', port: 10809 }],
    ],
    [
      '',
      '/run/x.sock',
      'unix:',
      'tcp:localhost',
      'tcp::10809',
      'tcp:h:65536',
      `unix:${'x'.repeat(108)}`,
    ],
  ],
  ['tlsCert', [['cert.pem', 'cert.pem']], ['']],
  ['tlsKey', [['key.pem', 'key.pem']], ['']],
  ['tlsCa', [['ca.pem', 'ca.pem']], ['']],
  [
    'blockSize',
    [
      ['512', 512],
      ['4K', 4096],
    ],
    ['256', '8192', '1000', ''],
  ],
  [
    'maxRequest',
    [
      ['8', 3],
      ['4096', 12],
    ],
    ['4', '8192', '1000', 'auto'],
  ],
  [
    'window',
    [
      ['1', 1],
      ['1024', 1024],
      ['auto', 256],
    ],
    ['0', '2048', '3', 'automatic'],
  ],
  [
    'busyPoll',
    [
      ['50us', 50],
      ['0', 0],
      ['1s', 1_000_000],
    ],
    ['50', '2s', '-1us'],
  ],
  ['dataOrder', [['spec', 'spec']], ['RAW', '']],
  [
    'profile',
    [
      ['auto', 'auto'],
      ['memnode', 'memnode'],
    ],
    ['c', ''],
  ],
  ['requestTimeout', [['20ms', 20_000]], ['0', '1', '11m', '500us']],
  ['openTimeout', [['1m', 60_000_000]], ['0', 'soon', '11m']],
  ['endpointLost', [['wait', 'wait']], ['panic', '']],
  ['endpointRestarted', [['fail', 'fail']], ['trust', '']],
  ['statsFile', [['/run/x.json', '/run/x.json']], ['']],
  [
    'statsInterval',
    [
      ['2', 2 * SECOND],
      ['0.5', SECOND / 2],
      ['200ms', SECOND / 5],
    ],
    ['', '0', '0.05', '3601', '1e3', '-1'],
  ],
  [
    'metrics',
    [
      ['127.0.0.1:9464', { host: '127.0.0.1', port: 9464 }],
      ['[::]:0', { host: '::', port: 0 }],
      ['9464', { host: '127.0.0.1', port: 9464 }],
      [':9464', { host: '127.0.0.1', port: 9464 }],
    ],
    ['', '127.0.0.1', '127.0.0.1:65536', 'a b:1'],
  ],
  ['pcap', [['/tmp/a b.pcap', '/tmp/a b.pcap']], ['']],
  ['pidFile', [['x.pid', 'x.pid']], ['']],
  [
    'logLevel',
    [
      ['silent', 'silent'],
      ['trace', 'trace'],
    ],
    ['loud', ''],
  ],
  ['logFormat', [['json', 'json']], ['xml', '']],
];

/** What every one of the TLS options needs, and a good value. */
const TLS_OPTIONS = ['--listen=unix:s', '--tls-cert=cert.pem', '--tls-key=key.pem'];

/** What else needs another option. */
const NEEDED: Partial<Record<keyof Options, string[]>> = { statsInterval: ['--stats-file=x.json'] };

/** Options without a value. */
const SWITCHES: readonly [keyof Options, string][] = [
  ['readOnly', '--read-only'],
  ['takeover', '--takeover'],
  ['swap', '--swap'],
];

describe('every option', () => {
  it('is in the table of this test', () => {
    const tested = [...TABLE.map(([name]) => name), ...SWITCHES.map(([name]) => name)];
    expect(tested.toSorted()).toEqual(Object.keys(OPTION_RULES).toSorted());
  });

  it.each(TABLE)('--%s: good values are read', (name, good) => {
    const long = OPTION_RULES[name].flag.split('=')[0];
    const needed = name.startsWith('tls') ? TLS_OPTIONS : (NEEDED[name] ?? []);
    for (const [text, value] of good) {
      expect(optionsOf(...needed, `${long}=${text}`)[name]).toEqual(value);
    }
  });

  it.each(TABLE)(
    '--%s: bad values get one sentence with option, value and wish',
    (name, _, bad) => {
      const { flag, expected } = OPTION_RULES[name];
      const long = flag.split('=')[0] ?? '';
      for (const text of bad) {
        const sentence = sentenceOf(...REQUIRED, `${long}=${text}`);
        expect(sentence).toContain(`${long}: ${JSON.stringify(text)}`);
        expect(sentence).toContain(expected);
        expect(sentence).not.toContain('\n');
      }
    },
  );

  it('stands in the help, which fits a terminal of 80 columns', () => {
    const help = readCommandLine(['--help']);
    if (help.kind !== 'print') throw new Error('no help');
    for (const { flag } of Object.values(OPTION_RULES)) expect(help.text).toContain(`  ${flag} `);
    for (const line of help.text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(help.text.split('\n').length).toBeLessThanOrEqual(50);
  });

  it('stands in the README', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    for (const { flag } of Object.values(OPTION_RULES)) {
      expect(readme).toContain(`\`${flag.split('=')[0]}`);
    }
  });
});

describe('options that are at odds with each other', () => {
  it('are a size that is no multiple of the block size', () => {
    expect(sentenceOf(...REQUIRED, '--size=5120')).toMatch(/^--size: "5120".*--block-size.*4096/);
    expect(optionsOf('--size=5120', '--block-size=1024').size).toBe(5120);
  });

  it('are an interval of a file that is not asked for, even if it is the usual one', () => {
    const sentence = sentenceOf(...REQUIRED, '--stats-interval=2');
    expect(sentence).toMatch(/^--stats-interval needs --stats-file/);
  });

  it('are a range that reaches beyond 2^64, and not one that ends there', () => {
    const base = '--base=0xfffffffffffff000';
    expect(optionsOf(base, '--size=4096').size).toBe(4096);
    expect(sentenceOf(...REQUIRED, base, '--size=8192')).toMatch(
      /^--size: "8192".*0xfffffffffffff000.*2\^64/,
    );
  });
});

describe('TLS', () => {
  it('needs an export, a certificate and its key', () => {
    const [listen = '', cert = '', key = ''] = TLS_OPTIONS;
    for (const [given, missing] of [
      [[cert, key], '--listen'],
      [[listen, cert], '--tls-key'],
      [[listen, key], '--tls-cert'],
      [[listen, '--tls-ca=ca.pem'], '--tls-cert'],
    ] as const) {
      expect(sentenceOf(...REQUIRED, ...given)).toContain(missing);
    }
  });
});

describe('a wrong command line', () => {
  it.each([
    [[], /^--netdev is missing: it takes the name of a network interface/],
    [REQUIRED.slice(0, 2), /^--size is missing/],
    [[...REQUIRED, '--siz=1G'], /^--siz=1G is not an option of oxmem-bdev; did you mean --size\?$/],
    [[...REQUIRED, '--devices=2'], /^--devices=2 is not an option.*did you mean --device\?$/],
    [[...REQUIRED, '--base'], /^--base has no value: it takes a hexadecimal address/],
    [[...REQUIRED, '--read-only=yes'], /^--read-only=yes is wrong: --read-only takes no value/],
    [[...REQUIRED, '/dev/nbd0'], /^"\/dev\/nbd0" is not an option/],
    [[...REQUIRED, '-x'], /^-x is not an option/],
    [
      ['detatch', '/dev/nbd0'],
      /^"detatch" is not an option .* detach, status, top, doctor, completion /,
    ],
    [[...REQUIRED, 'status'], /^"status" is not an option .* come first/],
    [['detach'], /^DEV is missing: oxmem-bdev detach takes a kernel device/],
    [['detach', 'nbd0'], /^DEV: "nbd0" will not do, it takes a kernel device/],
    [['detach', '/dev/nbd0', '/dev/nbd1'], /^"\/dev\/nbd1" is one device too many/],
    [['detach', '--forse', '/dev/nbd0'], /^--forse is not .* detach; did you mean --force\?$/],
    [['detach', '--force=yes', '/dev/nbd0'], /^--force=yes is wrong: --force takes no value/],
    [['detach', '--timeout=soon', '/dev/nbd0'], /^--timeout: "soon" will not do.* 10m/],
    [['detach', '/dev/nbd0', '--timeout'], /^--timeout has no value: it takes a duration/],
    [['status', '/dev/nbd0'], /^"\/dev\/nbd0" is too much: status shows all devices/],
    [['status', '--xml'], /^--xml is not an option of oxmem-bdev status/],
    [['doctor', 'eth0'], /^"eth0" is not an option.*oxmem-bdev doctor --help/],
    [['doctor', '--netdev=a/b'], /^--netdev: "a\/b" will not do, it takes the name of a network/],
    [['doctor', '--mac=04:00:00:00:00:01'], /^--mac needs --netdev: the name of a network/],
    [['doctor', '--size=1G'], /^--size=1G is not an option of oxmem-bdev doctor/],
  ])('%j gets one sentence', (args, sentence) => {
    expect(sentenceOf(...args)).toMatch(sentence);
    expect(sentenceOf(...args)).not.toContain('\n');
  });
});

it('quotes what was typed in characters that do a terminal no harm', () => {
  expect(sentenceOf(...REQUIRED, '--odd=\u001b[2J\n')).toMatch(/^--odd=\?\[2J\? is not an option/);
  expect(sentenceOf(...REQUIRED, '--size=\u202e1')).not.toContain('\u202e');
});

it('prints its version', () => {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  expect(readCommandLine(['-V'])).toEqual({ kind: 'print', text: `${version}\n` });
});

it.each(SWITCHES)('takes the switch %s, %s', (name, flag) => {
  expect(optionsOf()[name]).toBe(false);
  expect(optionsOf(flag)[name]).toBe(true);
});

describe('a command', () => {
  it('is read with its defaults', () => {
    expect(readCommandLine(['detach', '/dev/nbd3'])).toEqual({
      kind: 'detach',
      options: { device: '/dev/nbd3', force: false, timeout: 30 * SECOND },
    });
    expect(readCommandLine(['status'])).toEqual({ kind: 'status', options: { json: false } });
    expect(readCommandLine(['doctor'])).toEqual({
      kind: 'doctor',
      options: {
        netdev: undefined,
        mac: undefined,
        base: ADDRESS_ZERO,
        device: '/dev/nbd0',
        openTimeout: 5 * SECOND,
      },
    });
  });

  it.each([
    ['--force', '--timeout=2m', '/dev/nbd3'],
    ['/dev/nbd3', '--timeout', '2m', '--force'],
  ])('takes options before and after what it is about: detach %s %s %s', (...args) => {
    expect(readCommandLine(['detach', ...args])).toEqual({
      kind: 'detach',
      options: { device: '/dev/nbd3', force: true, timeout: 120 * SECOND },
    });
  });

  it('takes what the driver takes: doctor', () => {
    const args = ['--netdev=eth0', '--mac=04:00:00:00:00:01', '--base=8', '--device=auto'];
    expect(readCommandLine(['doctor', ...args, '--open-timeout=1s'])).toEqual({
      kind: 'doctor',
      options: {
        netdev: 'eth0',
        mac: Uint8Array.of(4, 0, 0, 0, 0, 1),
        base: { high: 0, low: 8 },
        device: 'auto',
        openTimeout: SECOND,
      },
    });
  });

  it.each(COMMANDS)('has a help that fits a screen: %s', (command) => {
    for (const args of [['--help'], ['-h']]) {
      const help = readCommandLine([command, ...args]);
      if (help.kind !== 'print') throw new Error('no help');
      expect(help.text).toMatch(new RegExp(`^Usage: oxmem-bdev ${command}`));
      const lines = help.text.trimEnd().split('\n');
      expect(lines.length).toBeLessThanOrEqual(24);
      for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
    }
    const main = readCommandLine(['--help']);
    expect(main.kind === 'print' && main.text).toContain(command);
  });

  it.each(COMMANDS)('stands in the README: %s', (command) => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    expect(readme).toContain(`oxmem-bdev ${command}`);
    const help = readCommandLine([command, '--help']);
    const flags = help.kind === 'print' ? help.text.match(/^ {2}--[a-z-]+/gm) : [];
    for (const flag of flags ?? []) expect(readme).toContain(flag.trim());
  });
});
