import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockNetwork } from '@oxmem/rawsock/mock';
import { plainFrameBytes } from '@oxmem/tloe-protocol';
import { afterAll, describe, expect, it } from 'vitest';
import type { CliEnvironment } from '../src/cli/environment.ts';
import { runCommand } from '../src/cli/run-command.ts';
import { SCENARIOS } from '../src/index.ts';
import { pcapBytes, pcapngBytes } from './capture-bytes.ts';

const folder = mkdtempSync(join(tmpdir(), 'oxmem-tloe-'));
afterAll(() => rmSync(folder, { recursive: true }));

const MACS = {
  destination: Uint8Array.of(2, 0, 0, 0, 0, 2),
  source: Uint8Array.of(2, 0, 0, 0, 0, 1),
};
const OPEN = plainFrameBytes({ ...MACS, type: 2, sequenceNumber: 0, sequenceNumberAck: 0x3fffff });
const BAD = plainFrameBytes({ ...MACS, type: 9, sequenceNumber: 1, sequenceNumberAck: 0x3fffff });
const FILE = pcapBytes([
  { ticks: 1_000_000n, bytes: OPEN },
  { ticks: 1_500_000n, bytes: BAD },
]);

/** Runs the command. */
async function run(
  argv: readonly string[],
  outside: Partial<CliEnvironment> & { input?: readonly Uint8Array[]; isTTY?: boolean } = {},
) {
  let [stdout, stderr] = ['', ''];
  const { input = [], isTTY = false, ...rest } = outside;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (const piece of input) yield await Promise.resolve(piece);
  }
  const write = (text: string): boolean => {
    stdout += text;
    return true;
  };
  const code = await runCommand(argv, {
    stdout: { write, once: () => {}, isTTY },
    stderr: {
      write: (text: string) => {
        stderr += text;
      },
    },
    stdin: pieces(),
    noColor: undefined,
    onStop: () => {},
    ...rest,
  });
  return { code, stdout, stderr };
}

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe('the command line', () => {
  it.each([
    [[], 'command', 'decode, check, dissector'],
    [['frobnicate'], 'frobnicate', 'decode'],
    [['decode'], 'capture file', '--netdev'],
    [['decode', 'a', 'b'], '"b"', 'decode FILE'],
    [['decode', 'a', '--netdev=lo'], 'either', '--netdev'],
    [['decode', 'a', '--frob'], '--frob', '--help'],
    [['decode', 'a', '--json=yes'], '--json', 'yes'],
    [['decode', 'a', '--mac=nobody'], '--mac', 'nobody'],
    [['decode', 'a', '--mac'], '--mac', 'no value'],
    [['decode', 'a', '--ether-type=10'], '--ether-type', '0x0600'],
    [['check'], '--netdev', 'missing'],
    [['check', '--netdev=lo'], '--mac', 'missing'],
    [['check', '--netdev=lo', '--mac=ff:ff:ff:ff:ff:ff'], '--mac', 'station'],
    [['check', '--netdev=lo', '--mac=2:0', '--base=10'], '--mac', '2:0'],
    [['check', '--netdev=lo', '--mac=02:00:00:00:00:01', '--base=10'], '--base', '4096'],
    [['check', '--netdev=lo', '--mac=02:00:00:00:00:01', '--size=5K'], '--size', '5K'],
    [['check', '--netdev=lo', '--mac=02:00:00:00:00:01', '--only=all'], '--only', '--list'],
  ])('%j is a usage error in one sentence', async (argv, ...words) => {
    const { code, stdout, stderr } = await run(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^oxmem-tloe: [^\n]*[^.\n]\.\n$/);
    for (const word of words) expect(stderr).toContain(word);
  });

  it.each(['decode', 'check', 'dissector'])('the help of %s fits a screen', async (name) => {
    const { code, stdout } = await run([name, '--help']);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('the overview names all commands, and the version is one', async () => {
    const { stdout } = await run(['--help']);
    for (const name of ['decode', 'check', 'dissector']) expect(stdout).toContain(`tloe ${name}`);
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+/);
  });

  it('--list has every dialogue with what it rests on, and asks for nothing else', async () => {
    const { code, stdout } = await run(['check', '--list']);
    expect(code).toBe(0);
    for (const { name, basis } of SCENARIOS) {
      expect(stdout).toContain(`${name} `);
      expect(stdout).toContain(`(${basis})`);
    }
    expect(new Set(SCENARIOS.map(({ name }) => name)).size).toBe(SCENARIOS.length);
  });
});

describe('decode', () => {
  it('prints one line a frame', async () => {
    const { code, stdout } = await run(['decode', fileOf('a.pcap', FILE)]);
    expect(code).toBe(0);
    expect(stdout.split('\n').slice(1, -1)).toEqual([
      '     1    0.000000000   1> Open    0 ack -',
      '     2    0.500000000   1> type 9  1 ack -  !! unknown-type: has a frame type above 3 (OX §3, 1.1)',
    ]);
  });

  it('prints JSON with --json, the sum last with --summary', async () => {
    const { stdout } = await run(['decode', '--json', '--summary', '-'], { input: [FILE] });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toMatchObject([
      { frame: 1, time: '1.000000000', type: 'Open', seq: 0, messages: [] },
      { frame: 2, elapsed_ns: 500_000_000, violations: [{ code: 'unknown-type' }] },
      { summary: { capture: { tloe: 2 }, connections: [{ to_endpoint: { frames: 2 } }] } },
    ]);
  });

  it('prints only what breaks the specification with --violations, and nothing with --quiet', async () => {
    const path = fileOf(
      'b.pcapng',
      pcapngBytes(
        [{}],
        [
          { ticks: 1n, bytes: OPEN },
          { ticks: 2n, bytes: BAD },
        ],
      ),
    );
    const { stdout } = await run(['decode', path, '--violations', '--json']);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(await run(['decode', path, '-q'])).toEqual({ code: 0, stdout: '', stderr: '' });
    const { stdout: sum } = await run(['decode', path, '-q', '--summary']);
    expect(sum).toContain('2 TLoE frames in 1000 ns'.replace('1000 ns', '1.00 us'));
  });

  it('is coloured on a terminal, unless NO_COLOR says otherwise', async () => {
    const argv = ['decode', fileOf('c.pcap', FILE)];
    expect((await run(argv)).stdout).not.toContain('\u001b');
    expect((await run(argv, { isTTY: true })).stdout).toContain('\u001b[31m');
    expect((await run(argv, { isTTY: true, noColor: '1' })).stdout).not.toContain('\u001b');
  });

  it.each([
    ['cut.pcap', FILE.subarray(0, FILE.length - 3), 'it ends in the middle of a record'],
    ['text.pcap', new TextEncoder().encode('no capture at all'), 'neither pcap nor pcapng'],
    ['empty.pcap', new Uint8Array(), 'it is empty'],
  ])('shows what there is of %s and says what is wrong', async (name, bytes, words) => {
    const { code, stdout, stderr } = await run(['decode', fileOf(name, bytes)]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^oxmem-tloe: "[^"]*" is not a whole capture: [^\n]*\.\n$/);
    expect(stderr).toContain(words);
    if (name === 'cut.pcap') expect(stdout).toContain('Open');
  });

  it('says that a file is not there', async () => {
    const { code, stderr } = await run(['decode', join(folder, 'nowhere.pcap')]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^oxmem-tloe: "[^"]*nowhere.pcap" cannot be read: ENOENT[^\n]*\n$/);
  });

  it('listens on an interface, both ways, until it is stopped', async () => {
    const network = new MockNetwork();
    const near = network.addInterface({ name: 'near0' });
    let stop: () => void = () => {};
    const done = run(['decode', '--netdev=near0'], {
      binding: network.binding,
      onStop: (listener) => {
        stop = listener;
      },
    });
    near.inject(OPEN);
    near.inject(BAD);
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    stop();
    const { code, stdout } = await done;
    expect(code).toBe(0);
    expect(stdout).toContain('1> Open    0 ack -');
    expect(stdout).toContain('unknown-type');
  });

  it('says which right is missing, and which interface', async () => {
    const network = new MockNetwork();
    network.addInterface({ name: 'near0' });
    network.isPermitted = false;
    const { binding } = network;
    const refused = await run(['decode', '--netdev=near0'], { binding });
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.stderr).toContain('CAP_NET_RAW');
    const missing = await run(['check', '--netdev=far0', '--mac=02:00:00:00:00:01'], { binding });
    expect(missing).toMatchObject({ code: 5 });
    expect(missing.stderr).toContain('near0');
  });
});

describe('check', () => {
  it('says so when nobody answers', async () => {
    const network = new MockNetwork();
    network.addInterface({ name: 'near0' });
    const argv = ['check', '--netdev=near0', '--mac=02:00:00:00:00:99'];
    const { code, stdout, stderr } = await run(argv, { binding: network.binding });
    expect(code).toBe(5);
    expect(stdout).toContain('writes to 4 KiB at 0x0');
    expect(stderr).toContain('02:00:00:00:00:99 does not answer an Open on near0');
  });
});
