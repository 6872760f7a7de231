import { describe, expect, it } from 'vitest';
import { parseCommandLine } from './command-line.ts';
import { OPTIONS, type CliOptions } from './options.ts';

const NEEDED = ['--netdev=veth1', '--size=1G'];

const DEFAULTS: CliOptions = {
  netdev: 'veth1',
  sizeBytes: 2 ** 30,
  base: { high: 0, low: 0 },
  backing: undefined,
  dataOrder: undefined,
  profile: 'auto',
  maxConnections: 8,
  maxRequestBytes: 4096,
  range: 'deny',
  alignment: 'deny',
  faults: [],
  seed: undefined,
  busyPollMicros: 0,
  statsFile: undefined,
  statsIntervalMicros: 2_000_000,
  metrics: undefined,
  pcap: undefined,
  pidFile: undefined,
  logLevel: 'info',
  logFormat: 'text',
};

function printed(...argv: string[]): string {
  const result = parseCommandLine(argv);
  if (result.kind !== 'print') throw new Error(`not printed: ${JSON.stringify(result)}`);
  return result.text;
}

describe('the command line', () => {
  it('needs an interface and a size, and has defaults for the rest', () => {
    expect(parseCommandLine(NEEDED)).toEqual({ kind: 'run', options: DEFAULTS });
  });

  it.each<[string, Partial<CliOptions>]>([
    ['--size=4096', { sizeBytes: 4096 }],
    ['--size=2TiB', { sizeBytes: 2 * 2 ** 40 }],
    ['--base=80000000', { base: { high: 0, low: 0x80000000 } }],
    ['--base=0x8000000000000000', { base: { high: 0x80000000, low: 0 } }],
    ['--backing=/tmp/m', { backing: '/tmp/m' }],
    ['--data-order=spec', { dataOrder: 'spec' }],
    ['--profile=memnode', { profile: 'memnode' }],
    ['--max-connections=64', { maxConnections: 64 }],
    ['--max-request=1K', { maxRequestBytes: 1024 }],
    ['--range=wrap', { range: 'wrap' }],
    ['--alignment=allow', { alignment: 'allow' }],
    ['--fault=rx:loss=1%,dup=1%', { faults: ['rx:loss=1%,dup=1%'] }],
    ['--busy-poll=50us', { busyPollMicros: 50 }],
    ['--pcap=a.pcap', { pcap: 'a.pcap' }],
    ['--stats-file=a.json', { statsFile: 'a.json' }],
    ['--metrics=9464', { metrics: { host: '127.0.0.1', port: 9464 } }],
    ['--metrics=[::1]:0', { metrics: { host: '::1', port: 0 } }],
    ['--pid-file=a.pid', { pidFile: 'a.pid' }],
    ['--log-level=debug', { logLevel: 'debug' }],
    ['--log-format=json', { logFormat: 'json' }],
  ])('reads %s, with = and as two words', (argument, change) => {
    const expected = { kind: 'run', options: { ...DEFAULTS, ...change } };
    const at = argument.indexOf('=');
    const words = [argument.slice(0, at), argument.slice(at + 1)];
    expect(parseCommandLine([...NEEDED, argument])).toEqual(expected);
    expect(parseCommandLine([...NEEDED, ...words])).toEqual(expected);
  });

  it.each<[string[], Partial<CliOptions>]>([
    [['--seed=0', '--fault=loss=1%'], { seed: 0, faults: ['loss=1%'] }],
    [['--seed=0', '--profile=memnode'], { seed: 0, profile: 'memnode' }],
    [
      ['--stats-interval=0.5', '--stats-file=a.json'],
      { statsIntervalMicros: 500_000, statsFile: 'a.json' },
    ],
  ])('reads %j, which need each other', (argv, change) => {
    const options = { ...DEFAULTS, ...change };
    expect(parseCommandLine([...NEEDED, ...argv])).toEqual({ kind: 'run', options });
    expect(parseCommandLine([...NEEDED, argv[0] ?? ''])).toMatchObject({ kind: 'usage' });
  });

  it('takes --fault several times, and of other options the last', () => {
    const argv = [...NEEDED, '--fault=loss=1%', '--seed=1', '--fault', 'deny=1%', '--seed=2'];
    expect(parseCommandLine(argv)).toEqual({
      kind: 'run',
      options: { ...DEFAULTS, faults: ['loss=1%', 'deny=1%'], seed: 2 },
    });
  });

  it.each([
    [['--size=1G'], 'option --netdev is missing: expected the name of a network interface'],
    [['--netdev=eth0'], 'option --size is missing: expected a size from 1 byte on, such as 8G'],
    [[...NEEDED, '--size=8X'], 'option --size: "8X" is not valid: expected a size'],
    [[...NEEDED, '--size=0'], 'option --size: "0" is not valid'],
    [[...NEEDED, '--size='], 'option --size: "" is not valid'],
    [[...NEEDED, '--size', '-1'], 'option --size: "-1" is not valid'],
    [[...NEEDED, '--netdev='], 'option --netdev: "" is not valid'],
    [
      [...NEEDED, '--base=xyz'],
      'option --base: "xyz" is not valid: expected a hexadecimal address',
    ],
    [
      [...NEEDED, '--base=ffffffffffffffff'],
      'option --size: "1G" is not valid: expected a size with which memory from ffffffffffffffff',
    ],
    [[...NEEDED, '--backing='], 'option --backing: "" is not valid: expected the path of a file'],
    [
      [...NEEDED, '--data-order=big'],
      'option --data-order: "big" is not valid: expected raw or spec',
    ],
    [[...NEEDED, '--max-connections=0'], '"0" is not valid: expected a number from 1 to 1024'],
    [[...NEEDED, '--max-request=1000'], 'expected a power of two from 8 to 4096'],
    [[...NEEDED, '--max-request=8K'], 'expected a power of two from 8 to 4096'],
    [[...NEEDED, '--range=drop'], 'option --range: "drop" is not valid: expected deny or wrap'],
    [
      [...NEEDED, '--alignment=no'],
      'option --alignment: "no" is not valid: expected deny or allow',
    ],
    [
      [...NEEDED, '--fault=loss=x'],
      'option --fault: "loss=x" is not valid: expected [rx:|tx:]FAULT',
    ],
    [[...NEEDED, '--seed=-1'], 'option --seed: "-1" is not valid: expected a whole number'],
    [[...NEEDED, '--log-level=loud'], 'expected trace, debug, info, warn, error, fatal or silent'],
    [
      [...NEEDED, '--log-format=xml'],
      'option --log-format: "xml" is not valid: expected text or json',
    ],
    [[...NEEDED, '--colour=red'], 'unknown option "--colour=red"'],
    [[...NEEDED, '--nonsense=auto'], 'unknown option "--nonsense=auto"'],
    [[...NEEDED, '--profile=nobody'], '"nobody" is not valid: expected auto, '],
    [[...NEEDED, '--stats-interval=0'], 'seconds from 0.1 to 3600'],
    [
      [...NEEDED, '--stats-interval=2'],
      'option --stats-interval needs --stats-file: it says how often that file is written',
    ],
    [[...NEEDED, '--seed=7'], 'option --seed needs --fault or --profile'],
    [[...NEEDED, '--metrics=a b'], 'HOST:PORT, or a port of 127.0.0.1'],
    [[...NEEDED, '-x'], 'unknown option "-x"'],
    [[...NEEDED, '--seed'], 'option --seed has no value: expected a whole number'],
    [[...NEEDED, 'eth0'], 'there is an argument too many'],
  ])('refuses %j in one sentence', (argv, problem) => {
    const result = parseCommandLine(argv);
    expect(result).toMatchObject({ kind: 'usage' });
    if (result.kind !== 'usage') return;
    expect(result.problem).toContain(problem);
    expect(result.problem).not.toContain('\n');
  });

  it('quotes what was typed in characters that do a terminal no harm', () => {
    const result = parseCommandLine(['--netdev=eth1', '--size=\u001b[2J\n']);
    expect(result).toMatchObject({ problem: expect.stringContaining('"?[2J?"') as string });
  });

  it('prints its version, and nothing else', () => {
    expect(printed('-V')).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(printed('--version')).toBe(printed('-V'));
  });

  it('prints a help that names every option and the faults', () => {
    const help = printed('--help');
    expect(printed('-h')).toBe(help);
    for (const { name } of OPTIONS) expect(help).toContain(`  --${name}=`);
    expect(printed('--help-faults')).toContain('stall=P[/D]');
    expect(help.split('\n').length).toBeLessThanOrEqual(50);
    for (const line of help.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  });
});
