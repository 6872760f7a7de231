/** What the commands say and how they end when something is wrong from the start. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from './lab-program.ts';
import type { ProgramResult } from './lab-program.ts';
import { NbdSocketClient } from './nbd-socket-client.ts';
import {
  OxmemLab,
  SHUTDOWN_LINES,
  driverCommand as driver,
  endpointCommand as endpoint,
} from './oxmem-lab.ts';
import { describeRequiring, itRequiring } from './requires.ts';

const root = join(import.meta.dirname, '..');
const MAC = '04:00:00:00:00:01';

/**
 * One line on standard error that is one sentence, nothing on standard output, no stack. A wait of
 * more than two seconds is told before, by the log.
 */
function expectSentence(result: ProgramResult, code: number): string {
  const { stdout, stderr } = result;
  expect({ code: result.code, stdout }, stderr).toEqual({ code, stdout: '' });
  const told = stderr.trimEnd().split('\n');
  const lines = told.filter((line) => !/ INFO: waits for .* so far$/.test(line));
  expect(lines, stderr).toHaveLength(1);
  expect(lines[0]).toMatch(/^oxmem-(bdev|sim-endpoint): \S.*\S$/);
  return lines[0] ?? '';
}

describe.concurrent('a wrong command line ends with exit code 2 and one sentence', () => {
  const good = ['--netdev=lo', `--mac=${MAC}`, '--size=1G'];
  /** What is given besides the required options, and what the sentence must name. */
  const driverCases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [[], ['--netdev']],
    [good.slice(1), ['--netdev']],
    [[good[0]!, good[2]!], ['--mac']],
    [good.slice(0, 2), ['--size']],
    [[...good, '--no-such-option'], ['--no-such-option']],
    [
      [...good, '--sise=4'],
      ['--sise', '--size'],
    ],
    [[...good, 'stray'], ['option']],
    [
      [...good, '--size=12parsecs'],
      ['--size', '12parsecs'],
    ],
    [
      [...good, '--size=-1'],
      ['--size', '-1'],
    ],
    [
      [...good, '--size=0'],
      ['--size', '0'],
    ],
    [
      [...good, '--size=1000'],
      ['--size', '1000', '4096'],
    ],
    [
      [...good, '--size=9e99'],
      ['--size', '9e99'],
    ],
    [
      [...good, '--mac=04:00:00:00:00'],
      ['--mac', '04:00:00:00:00'],
    ],
    [
      [...good, '--mac=ff:ff:ff:ff:ff:ff'],
      ['--mac', 'ff:ff:ff:ff:ff:ff'],
    ],
    [
      [...good, '--base=0xg'],
      ['--base', '0xg'],
    ],
    [
      [...good, '--base=0x10000000000000000'],
      ['--base', '0x10000000000000000'],
    ],
    [
      [...good, '--base=0xffffffffffffff00'],
      ['--size', '0xffffffffffffff00'],
    ],
    [
      [...good, '--block-size=1000'],
      ['--block-size', '1000', '512'],
    ],
    [
      [...good, '--block-size=8192'],
      ['--block-size', '8192'],
    ],
    [
      [...good, '--max-request=100'],
      ['--max-request', '100'],
    ],
    [
      [...good, '--window=0'],
      ['--window', '0'],
    ],
    [
      [...good, '--busy-poll=never'],
      ['--busy-poll', 'never'],
    ],
    [
      [...good, '--data-order=middle'],
      ['--data-order', 'middle', 'raw', 'spec'],
    ],
    [
      [...good, '--profile=nobody'],
      ['--profile', 'nobody', 'auto'],
    ],
    [
      [...good, '--open-timeout=5'],
      ['--open-timeout', '5'],
    ],
    [
      [...good, '--request-timeout=-1s'],
      ['--request-timeout', '-1s'],
    ],
    [
      [...good, '--endpoint-lost=panic'],
      ['--endpoint-lost', 'panic', 'fail', 'wait'],
    ],
    [
      [...good, '--listen=carrier-pigeon'],
      ['--listen', 'carrier-pigeon', 'unix:PATH'],
    ],
    [
      [...good, '--listen=tcp:localhost:99999'],
      ['--listen', '99999'],
    ],
    [
      [...good, `--listen=unix:/${'x'.repeat(200)}`],
      ['--listen', '107'],
    ],
    [
      [...good, '--log-level=loud'],
      ['--log-level', 'loud', 'info'],
    ],
    [
      [...good, '--log-format=xml'],
      ['--log-format', 'xml', 'json'],
    ],
    [[...good, '--size'], ['--size']],
    [[...good, '--read-only=maybe'], ['--read-only']],
  ];
  const endpointCases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [[], ['--netdev']],
    [['--netdev=lo'], ['--size']],
    [
      ['--netdev=lo', '--size=lots'],
      ['--size', 'lots'],
    ],
    [
      ['--netdev=lo', '--size=1M', '--base=zz'],
      ['--base', 'zz'],
    ],
    [
      ['--netdev=lo', '--size=1M', '--range=fold'],
      ['--range', 'fold', 'deny', 'wrap'],
    ],
    [
      ['--netdev=lo', '--size=1M', '--max-request=3'],
      ['--max-request', '3'],
    ],
    [
      ['--netdev=lo', '--size=1M', '--max-connections=0'],
      ['--max-connections', '0'],
    ],
    [
      ['--netdev=lo', '--size=1M', '--fault=gremlins'],
      ['--fault', 'gremlins'],
    ],
    [
      ['--netdev=lo', '--size=1M', '--seed=x'],
      ['--seed', 'x'],
    ],
    [['--netdev=lo', '--size=1M', '--frobnicate'], ['--frobnicate']],
  ];
  for (const [command, cases] of [
    [driver, driverCases],
    [endpoint, endpointCases],
  ] as const) {
    const name = command === driver ? 'oxmem-bdev' : 'oxmem-sim-endpoint';
    for (const [args, words] of cases) {
      it(`${name} ${args.join(' ').slice(0, 100)}`, async () => {
        const sentence = expectSentence(await runProgram([...command, ...args]), 2);
        for (const word of words) expect(sentence).toContain(word);
      });
    }
  }
});

describe('the commands in node_modules/.bin', () => {
  for (const [name, columns] of [
    ['oxmem-bdev', 80],
    ['oxmem-sim-endpoint', 100],
  ] as const) {
    const command = join(root, 'node_modules', '.bin', name);

    it(`${name} tells its version with -V and --version`, async () => {
      for (const option of ['-V', '--version']) {
        const { code, stdout, stderr } = await runProgram([command, option]);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(stdout).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
      }
    });

    it(`${name} explains itself with -h and --help, in ${columns} columns`, async () => {
      for (const option of ['-h', '--help']) {
        const { code, stdout, stderr } = await runProgram([command, option]);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        for (const word of [
          '--netdev',
          '--size',
          '--base',
          '--data-order',
          '--pcap',
          '--pid-file',
        ]) {
          expect(stdout).toContain(word);
        }
        expect(stdout.split('\n').filter((line) => line.length > columns)).toEqual([]);
      }
    });
  }
});

describeRequiring(['netns', 'raw-socket'], 'a start that cannot succeed', () => {
  let lab: OxmemLab;
  beforeAll(async () => {
    lab = await OxmemLab.open();
  });
  afterAll(async () => {
    await lab?.close();
  });

  /** Runs to the end and says how long after the beginning that was. */
  async function fail(argv: readonly string[], code: number): Promise<[string, number]> {
    const result = await runProgram(argv, { timeoutMs: 20_000 });
    return [expectSentence(result, code), result.elapsedMs];
  }

  const far = (name: string): string[] => [`--netdev=${name}`, `--mac=${MAC}`, '--size=1M'];

  it('names the interfaces there are when the one asked for is not among them', async () => {
    const [sentence] = await fail([...driver, ...far('nosuch0')], 5);
    expect(sentence).toContain('"nosuch0"');
    expect(sentence).toContain(lab.wire.local.name);
    const [other] = await fail([...endpoint, '--netdev=nosuch0', '--size=1M'], 5);
    expect(other).toContain('"nosuch0"');
  });

  it('says how to switch on an interface that is down', async () => {
    const down = 'oxdown0';
    const make = `ip link add ${down} type veth peer name oxdown1`;
    expect((await runProgram(['sh', '-c', make])).code).toBe(0);
    try {
      const [sentence] = await fail([...driver, ...far(down)], 5);
      expect(sentence).toContain(`ip link set ${down} up`);
      const [other] = await fail([...endpoint, `--netdev=${down}`, '--size=1M'], 5);
      expect(other).toContain(`ip link set ${down} up`);
    } finally {
      await runProgram(['ip', 'link', 'del', down]);
    }
  });

  it('says that there is no carrier when the other end is off', async () => {
    const make = 'ip link add oxlone0 type veth peer name oxlone1 && ip link set oxlone0 up';
    expect((await runProgram(['sh', '-c', make])).code).toBe(0);
    try {
      const args = [...far('oxlone0'), '--open-timeout=500ms'];
      const [sentence] = await fail([...driver, ...args], 5);
      expect(sentence).toMatch(/without carrier/);
    } finally {
      await runProgram(['ip', 'link', 'del', 'oxlone0']);
    }
  });

  itRequiring(['command:setpriv'], 'names the capability that is missing', async () => {
    // Root keeps its capabilities through exec unless they are taken from the bounding set.
    const drop = ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw', '--'];
    const [sentence] = await fail([...drop, ...driver, ...far(lab.wire.local.name)], 3);
    expect(sentence).toContain('CAP_NET_RAW');
    expect(sentence).toContain('setcap');
    const args = [`--netdev=${lab.wire.local.name}`, '--size=1M'];
    const [other] = await fail([...drop, ...endpoint, ...args], 3);
    expect(other).toContain('CAP_NET_RAW');
  });

  itRequiring(['real-root', 'command:setpriv'], 'tells an ordinary user the same', async () => {
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
    const [sentence] = await fail([...nobody, ...driver, ...far(lab.wire.local.name)], 3);
    expect(sentence).toContain('CAP_NET_RAW');
  });

  it('ends within the open timeout when nobody has the MAC address', async () => {
    const args = [...far(lab.wire.local.name), '--open-timeout=700ms'];
    const [sentence, elapsedMs] = await fail([...driver, ...args], 5);
    expect(sentence).toContain(MAC);
    expect(sentence).toContain(lab.wire.local.name);
    expect(sentence).toContain('700ms');
    expect(sentence).toMatch(/[1-9]\d* frames? sent, 0 frames heard/);
    expect(elapsedMs).toBeGreaterThan(700);
    expect(elapsedMs).toBeLessThan(700 + STARTING_MS);
  });

  it('says whom it heard instead when the endpoint has another address', async () => {
    const running = await lab.startEndpoint('1M');
    const good = await lab.startDriver();
    const client = await NbdSocketClient.open(good.socketPath);
    const args = [...far(lab.wire.local.name), '--open-timeout=1s'];
    const failing = fail([...driver, ...args], 5);
    let isOver = false;
    void failing.finally(() => (isOver = true)).catch(() => {});
    while (!isOver) await client.write(0, Buffer.alloc(4096, 1));
    expect((await failing)[0]).toContain(lab.wire.peer.mac);
    await client.disconnect();
    await good.program.stop();
    await running.stop();
  });

  it('ends over the loopback interface: no endpoint answers', async () => {
    const args = ['--netdev=lo', '--mac=00:00:00:00:00:00', '--size=1G', '--open-timeout=1s'];
    const [sentence, elapsedMs] = await fail([...driver, ...args], 5);
    expect(sentence).toMatch(/no endpoint answers/i);
    expect(elapsedMs).toBeLessThan(1_000 + STARTING_MS);
  });

  it('ends over the loopback interface within the default of five seconds', async () => {
    const args = ['--netdev=lo', '--mac=00:00:00:00:00:00', '--size=1G'];
    const [sentence, elapsedMs] = await fail([...driver, ...args], 5);
    expect(sentence).toMatch(/no endpoint answers/i);
    expect(elapsedMs).toBeLessThan(5_000 + STARTING_MS);
  });

  it('names the file that cannot be written', async () => {
    const pcap = ['--pcap=/nonexistent/x.pcap', '--open-timeout=500ms'];
    const [sentence] = await fail([...driver, ...far(lab.wire.local.name), ...pcap], 1);
    expect(sentence).toContain('/nonexistent/x.pcap');
    const args = [`--netdev=${lab.wire.local.name}`, '--size=1M', '--pcap=/nonexistent/x.pcap'];
    const [other] = await fail([...endpoint, ...args], 1);
    expect(other).toContain('/nonexistent/x.pcap');
  });
});

describeRequiring(['netns', 'raw-socket'], 'an export on a socket', () => {
  let lab: OxmemLab;
  beforeAll(async () => {
    lab = await OxmemLab.open();
    await lab.startEndpoint('1M');
  });
  afterAll(async () => {
    await lab?.close();
  });

  it('is announced by one line, and its pid file comes after that and goes with it', async () => {
    const { program, socketPath, pidFile } = await lab.startDriver({ isReadyAwaited: false });
    expect(existsSync(pidFile)).toBe(false);
    await program.waitFor('stdout', /^ready: .*$/m);
    const { mac } = lab.wire.peer;
    const { name } = lab.wire.local;
    expect(program.stdout).toBe(
      `ready: unix:${socketPath} 1048576 bytes at 0x0 on ${mac} via ${name}\n`,
    );
    while (!existsSync(pidFile)) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(readFileSync(pidFile, 'utf8')).toBe(`${program.pid}\n`);
    const { code, stdout } = await program.stop();
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n').slice(1)).toEqual(SHUTDOWN_LINES);
    expect(existsSync(socketPath) || existsSync(pidFile)).toBe(false);
  });

  it('replaces the socket that a killed driver has left', async () => {
    const first = await lab.startDriver();
    await lab.crash(first.program);
    expect(existsSync(first.socketPath)).toBe(true);
    const argv = [...lab.driverArgv(), `--listen=unix:${first.socketPath}`];
    const second = lab.start(argv);
    await second.waitFor('stdout', /^ready: /m);
    const client = await NbdSocketClient.open(first.socketPath);
    expect(client.sizeBytes).toBe(2 ** 20);
    await client.disconnect();
    expect((await second.stop()).code).toBe(0);
    expect(existsSync(first.socketPath)).toBe(false);
  });

  it('leaves a socket alone behind which somebody answers', async () => {
    const path = lab.path('taken.sock');
    const other = createServer().listen(path);
    await new Promise((resolve) => other.once('listening', resolve));
    try {
      const result = await runProgram([...lab.driverArgv(), `--listen=unix:${path}`]);
      expect(result.code).toBe(4);
      expect(result.stderr).toContain(path);
      expect(result.stdout).not.toContain('ready');
      expect(existsSync(path)).toBe(true);
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
  });

  it('leaves a file alone that is no socket', async () => {
    const path = lab.path('precious');
    writeFileSync(path, 'my thesis');
    const result = await runProgram([...lab.driverArgv(), `--listen=unix:${path}`]);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain('not a socket');
    expect(readFileSync(path, 'utf8')).toBe('my thesis');
  });

  it('listens on TCP as well, and names the port that it got', async () => {
    const program = lab.start([...lab.driverArgv(), '--listen=tcp:127.0.0.1:0']);
    const [line] = await program.waitFor('stdout', /^ready: tcp:127\.0\.0\.1:([1-9]\d*) .*$/m);
    expect(line).toContain(' 1048576 bytes at 0x0 on ');
    expect((await program.stop()).code).toBe(0);
  });

  it('refuses writes with --read-only, and keeps the memory', async () => {
    const { program, socketPath } = await lab.startDriver({ args: ['--read-only'] });
    const client = await NbdSocketClient.open(socketPath);
    const before = await client.read(0, 512);
    const { error } = await client.request(1, 0, 512, Buffer.alloc(512, 0x99));
    expect(error).toBe(1);
    expect(await client.read(0, 512)).toEqual(before);
    await client.disconnect();
    await program.stop();
  });

  it('logs lines of JSON when told so, the endpoint too', async () => {
    const program = lab.start([
      ...lab.driverArgv(),
      `--listen=unix:${lab.path('json.sock')}`,
      '--log-format=json',
      '--log-level=debug',
    ]);
    await program.waitFor('stdout', /^ready: /m);
    const { stderr } = await program.stop();
    const lines = stderr.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      const entry = JSON.parse(line) as { level: number; msg: string };
      expect(typeof entry.level).toBe('number');
      expect(typeof entry.msg).toBe('string');
    }
  });
});

/** From the start of the process to its first frame, and from its last to its end. */
const STARTING_MS = 3_000;
