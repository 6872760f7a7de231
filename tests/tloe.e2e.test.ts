/**
 * The command `oxmem-tloe` on a wire: its check against the endpoint, its decoder on captures that
 * tcpdump, dumpcap, editcap, mergecap and text2pcap wrote, its dissector in tshark.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runClient, runProgram } from './lab-program.ts';
import { NbdSocketClient } from './nbd-socket-client.ts';
import { OxmemLab, tloeCommand } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';

const root = join(import.meta.dirname, '..');
const dissector = join(root, 'packages', 'oxmem-tloe', 'wireshark', 'omnixtend.lua');

/** A frame as `oxmem-tloe decode --json` tells it. */
interface Line {
  readonly frame: number;
  readonly type: string;
  readonly vc: number;
  readonly seq: number;
  readonly seq_ack: number;
  readonly ack: boolean;
  readonly credit?: { readonly channel: string; readonly flits: number };
  readonly direction: string;
  readonly marks?: readonly string[];
  readonly violations?: readonly { readonly code: string }[];
  readonly messages: readonly Message[];
}

interface Message {
  readonly channel: string;
  readonly opcode: string;
  readonly param?: number;
  readonly size?: number;
  readonly source?: number;
  readonly sink?: number;
  readonly address?: string;
  readonly denied?: boolean;
  readonly answers?: { readonly latency_ns: number };
}

function linesOf(text: string): Line[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

async function decode(file: string, ...options: string[]): Promise<Line[]> {
  const argv = [...tloeCommand, 'decode', file, '--json', ...options];
  return linesOf(await runClient(argv));
}

/** What a frame says, without when and where in the file. */
function saying({ type, vc, seq, seq_ack, ack, credit, messages }: Line): string {
  const whole = { type, vc, seq, seq_ack, ack, credit, messages };
  return JSON.stringify(whole, (key, value: unknown) => (key === 'answers' ? undefined : value));
}

/**
 * What each side says, in its order. Two captures may see frames that pass each other in either
 * order: two processors carry them.
 */
function storyOf(lines: readonly Line[]): string[] {
  const ways = [...new Set(lines.map(({ direction }) => direction))].sort();
  return ways.flatMap((way) => lines.filter((line) => line.direction === way).map(saying));
}

const FIELDS = ['type', 'seq', 'seq_ack', 'ack', 'credit_flits'];
const MESSAGE_FIELDS = ['', '.size', '.source', '.address', '.sink', '.denied', '.param'];

/** The same of tshark, with the dissector: fields joined as far as they are there. */
async function dissect(file: string): Promise<string[]> {
  const fields = [...FIELDS, ...MESSAGE_FIELDS.map((name) => `msg${name}`)];
  const argv = ['tshark', '-n', '-X', `lua_script:${dissector}`, '-r', file, '-Y', 'omnixtend'];
  argv.push('-T', 'fields', '-E', 'occurrence=a');
  const text = await runClient([...argv, ...fields.flatMap((f) => ['-e', `omnixtend.${f}`])]);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd());
}

const TYPES = ['Normal', 'AckOnly', 'Open', 'Close'];

/** A line as `dissect` has it. */
function dissected({ type, seq, seq_ack, ack, credit, messages }: Line): string {
  const all = (values: readonly (string | number | undefined)[]): string =>
    values.filter((value) => value !== undefined).join(',');
  const hasHead = messages.filter(({ opcode }) => opcode !== 'GrantAck');
  const columns = [
    TYPES.indexOf(type),
    seq,
    seq_ack,
    ack ? 1 : 0,
    credit?.flits ?? '',
    all(messages.map(({ opcode }) => opcode)),
    all(hasHead.map(({ size }) => size)),
    all(hasHead.map(({ source }) => source)),
    all(messages.map(({ address }) => address && `0x${address.slice(2).padStart(16, '0')}`)),
    all(messages.map(({ sink }) => sink)),
    all(hasHead.map(({ denied }) => (denied === true ? 1 : 0))),
    all(hasHead.map(({ param }) => param)),
  ];
  return columns.join('\t').trimEnd();
}

describeRequiring(
  [
    'netns',
    'raw-socket',
    ...(['tshark', 'tcpdump', 'dumpcap'] as const).map((c) => `command:${c}` as const),
  ],
  'oxmem-tloe on a wire',
  () => {
    let lab: OxmemLab;
    let report: string;
    let live: Line[];
    let dumped: Line[];
    let byDriver: Line[];
    beforeAll(async () => {
      // A bridge stands in between, where frames pass in both directions for everybody to see.
      lab = await OxmemLab.open({ places: 2 });
      await lab.startEndpoint('1M', ['--log-level=error']);
      const port = `${lab.wire.peer.name}p0`;
      const capture = (...argv: string[]) => lab.start(lab.wire.peerArgv(argv));
      const pcap = lab.path('tcpdump.pcap');
      const filter = ['ether', 'proto', '0xaaaa'];
      const tcpdump = capture(
        'tcpdump',
        '-Z',
        'root',
        '-U',
        '-B',
        '65536',
        '-i',
        port,
        '-w',
        pcap,
        ...filter,
      );
      const pcapng = lab.path('dumpcap.pcapng');
      const dumpcap = capture(
        'dumpcap',
        '-B',
        '64',
        '-i',
        port,
        '-w',
        pcapng,
        '-f',
        filter.join(' '),
      );
      const decoder = capture(...tloeCommand, 'decode', `--netdev=${port}`, '--json');
      await tcpdump.waitFor('stderr', /listening on/);
      await dumpcap.waitFor('stderr', /File: /);
      await decoder.waitFor('stderr', /listening on/);

      const driver = await lab.startDriver();
      const client = await NbdSocketClient.open(driver.socketPath);
      await client.write(4096, Buffer.alloc(2 ** 18, 'omnixtend'));
      await client.read(4096, 2 ** 18);
      await client.disconnect();
      await driver.program.stop();
      // The endpoint's Close is the last numbered frame.
      await decoder.waitFor('stdout', /"to_initiator"[^\n]*"type":"Close"/);
      byDriver = linesOf(decoder.stdout);

      const argv = ['check', `--netdev=${lab.wire.local.name}`, `--mac=${lab.wire.peer.mac}`];
      report = await runClient([...tloeCommand, ...argv, `--junit=${lab.path('check.xml')}`]);
      // The kernel hands frames to dumpcap in blocks, and what is not handed over yet is lost.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      for (const program of [tcpdump, dumpcap, decoder]) await program.stop('SIGINT');
      live = linesOf(decoder.stdout);
      dumped = await decode(pcap);
    });
    afterAll(async () => {
      await lab?.close();
    });

    it('the endpoint passes every dialogue, and gets its memory back', () => {
      expect(report).toMatch(/^\d\d passed, 0 failed, 2 not supported; .* has been put back$/m);
      const xml = readFileSync(lab.path('check.xml'), 'utf8');
      expect(xml).toMatch(/tests="\d\d" failures="0" skipped="2" errors="0"/);
    });

    it('driver and endpoint break nothing while they work, and every request is answered', () => {
      const broken = byDriver.findIndex(({ violations = [] }) => violations.length > 0);
      // What was said before tells why.
      expect(byDriver.slice(Math.max(0, broken - 8), broken + 1)).toEqual([]);
      expect(byDriver.flatMap(({ marks = [] }) => marks)).not.toContain('gap');
      const messages = byDriver
        .filter(({ marks = [] }) => !marks.includes('resent') && !marks.includes('duplicate'))
        .flatMap((line) => line.messages);
      const answers = messages.filter(({ channel }) => channel === 'D');
      expect(answers.length).toBeGreaterThanOrEqual(512);
      expect(messages).toHaveLength(2 * answers.length);
      const latencies = answers.map((answer) => answer.answers?.latency_ns ?? -1);
      expect(Math.min(...latencies)).toBeGreaterThan(0);
      expect(Math.max(...latencies)).toBeLessThan(60e9);
    });

    it('all captures of the same wire tell the same story', async () => {
      const [pcap, pcapng] = [lab.path('tcpdump.pcap'), lab.path('dumpcap.pcapng')];
      const story = storyOf(dumped);
      expect(story.length).toBeGreaterThan(1000);
      expect(storyOf(live)).toEqual(story);
      const shapes: Line[][] = [await decode(pcapng)];
      for (const format of ['nsecpcap', 'pcap', 'pcapng']) {
        const converted = lab.path(`converted.${format}`);
        await runClient(['editcap', '-F', format, pcapng, converted]);
        shapes.push(await decode(converted));
      }
      for (const shape of shapes) expect(storyOf(shape)).toEqual(story);
      // As two interfaces of one file, each frame is there twice.
      const merged = lab.path('merged.pcapng');
      await runClient(['mergecap', '-I', 'none', '-w', merged, pcap, pcapng]);
      expect(await decode(merged)).toHaveLength(2 * story.length);
    });

    it('frames cut short are shown as far as they go', async () => {
      const [pcapng, cut] = [lab.path('dumpcap.pcapng'), lab.path('cut.pcapng')];
      await runClient(['editcap', '-s', '40', pcapng, cut]);
      const [wholes, lines] = [await decode(pcapng), await decode(cut)];
      expect(lines).toHaveLength(wholes.length);
      lines.forEach((line, index) => {
        const whole = wholes[index] as Line;
        expect(line).toMatchObject({ type: whole.type, seq: whole.seq });
        expect(line.marks).toContain('cut');
        const shown = line.messages.map(({ opcode }) => opcode);
        const all = whole.messages.map(({ opcode }) => opcode);
        expect(all.slice(0, shown.length)).toEqual(shown);
      });
      expect(lines.filter(({ messages }) => messages.length > 0).length).toBeGreaterThan(500);
    });

    it('tshark sees the same with the dissector', async () => {
      const wellFormed = dumped.filter(({ violations = [] }) => {
        return !violations.some(({ code }) => MALFORMED.has(code));
      });
      const lines = (await dissect(lab.path('tcpdump.pcap'))).filter((_, index) => {
        return wellFormed.includes(dumped[index] as Line);
      });
      expect(lines).toEqual(wellFormed.map(dissected));
    });
  },
);

/** Where a frame is read as far as its reader likes. */
const MALFORMED: ReadonlySet<string> = new Set(['unknown-type', 'wrong-mask', 'short-frame']);

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly header: { readonly sequenceNumber: number; readonly sequenceNumberAck: number };
  readonly messages: readonly {
    readonly opcodeName: string;
    readonly size: number | null;
    readonly source: number | null;
    readonly address: string | null;
  }[];
}

describeRequiring(['command:text2pcap', 'command:tshark'], "the specification's frames", () => {
  let folder: string;
  let file: string;
  const vectors = (
    JSON.parse(
      readFileSync(join(root, 'packages/tloe-protocol/vectors/omnixtend-1.0.3.json'), 'utf8'),
    ) as { vectors: readonly Vector[] }
  ).vectors.filter(({ hex }) => hex !== '');
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'oxmem-vectors-'));
    file = join(folder, 'vectors.pcapng');
    const dump = vectors.map(({ hex }) => {
      const rows = (hex.match(/.{1,32}/g) ?? []).map((row, index) => {
        return `${(16 * index).toString(16).padStart(6, '0')} ${row.replaceAll(/../g, '$& ')}\n`;
      });
      return rows.join('');
    });
    writeFileSync(join(folder, 'vectors.txt'), dump.join(''));
    await runClient(['text2pcap', '-q', '-e', '0xaaaa', join(folder, 'vectors.txt'), file]);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it('are decoded to the fields that it draws', async () => {
    const lines = await decode(file);
    expect(lines).toHaveLength(vectors.length);
    lines.forEach((line, index) => {
      const { header, messages } = vectors[index] as Vector;
      expect(line.seq).toBe(header.sequenceNumber);
      expect(line.seq_ack).toBe(header.sequenceNumberAck);
      expect(line.messages.map(({ opcode }) => opcode)).toEqual(
        messages.map(({ opcodeName }) => opcodeName),
      );
      expect(line.messages.map(({ source }) => source ?? null)).toEqual(
        messages.map(({ source }) => source),
      );
    });
  });

  it('are the same to tshark with the dissector', async () => {
    expect(await dissect(file)).toEqual((await decode(file)).map(dissected));
  });
});

describe('oxmem-tloe in a pipe', () => {
  it('ends quietly when its reader has gone', async () => {
    const script = `"$@" check --list | head -1`;
    const { code, stdout, stderr } = await runProgram(['sh', '-c', script, 'sh', ...tloeCommand]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toHaveLength(2);
  });
});
