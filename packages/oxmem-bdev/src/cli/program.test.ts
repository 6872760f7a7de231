import { readFileSync } from 'node:fs';

import { ADDRESS_ZERO } from '@oxmem/tloe-protocol';
import { describe, expect, it } from 'vitest';

import { OPTION_RULES, type Options } from './options.ts';
import { readCommandLine } from './program.ts';

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
      listen: undefined,
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

describe('every option', () => {
  it('is in the table of this test', () => {
    const tested = [...TABLE.map(([name]) => name), 'readOnly'];
    expect(tested.toSorted()).toEqual(Object.keys(OPTION_RULES).toSorted());
  });

  it.each(TABLE)('--%s: good values are read', (name, good) => {
    const long = OPTION_RULES[name].flag.split('=')[0];
    for (const [text, value] of good) expect(optionsOf(`${long}=${text}`)[name]).toEqual(value);
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

  it('are a range that reaches beyond 2^64, and not one that ends there', () => {
    const base = '--base=0xfffffffffffff000';
    expect(optionsOf(base, '--size=4096').size).toBe(4096);
    expect(sentenceOf(...REQUIRED, base, '--size=8192')).toMatch(
      /^--size: "8192".*0xfffffffffffff000.*2\^64/,
    );
  });
});

describe('a wrong command line', () => {
  it.each([
    [[], /^--netdev is missing: it takes the name of a network interface/],
    [REQUIRED.slice(0, 2), /^--size is missing/],
    [[...REQUIRED, '--siz=1G'], /^--siz=1G is not an option of oxmem-bdev; did you mean --size\?$/],
    [[...REQUIRED, '--device=/dev/nbd0'], /^--device=\/dev\/nbd0 is not an option/],
    [[...REQUIRED, '--metrics=127.0.0.1:9100'], /is not an option/],
    [[...REQUIRED, '--base'], /^--base has no value: it takes a hexadecimal address/],
    [[...REQUIRED, '--read-only=yes'], /^--read-only=yes is wrong: --read-only takes no value/],
    [[...REQUIRED, '/dev/nbd0'], /^"\/dev\/nbd0" is not an option/],
    [[...REQUIRED, '-x'], /^-x is not an option/],
  ])('%j gets one sentence', (args, sentence) => {
    expect(sentenceOf(...args)).toMatch(sentence);
    expect(sentenceOf(...args)).not.toContain('\n');
  });
});

it('prints its version', () => {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  expect(readCommandLine(['-V'])).toEqual({ kind: 'print', text: `${version}\n` });
});

it('takes the switch --read-only', () => {
  expect(optionsOf('--read-only').readOnly).toBe(true);
});
