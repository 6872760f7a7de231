/** The captures that both commands write, as Wireshark sees them. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runClient } from './lab-program.ts';
import { NbdSocketClient } from './nbd-socket-client.ts';
import { OxmemLab } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';

/** Bytes written and read: as many full frames each way as KiB. */
const PAYLOAD_BYTES = 2 ** 20;

describeRequiring(['netns', 'raw-socket', 'command:tshark'], 'a capture', () => {
  let lab: OxmemLab;
  let byDriver: CapturedFrame[];
  let byEndpoint: CapturedFrame[];
  beforeAll(async () => {
    lab = await OxmemLab.open();
    const [driverFile, endpointFile] = [lab.path('driver.pcap'), lab.path('endpoint.pcap')];
    const endpoint = await lab.startEndpoint('2M', [`--pcap=${endpointFile}`]);
    const driver = await lab.startDriver({ args: [`--pcap=${driverFile}`] });
    const client = await NbdSocketClient.open(driver.socketPath);
    await client.write(4096, Buffer.alloc(PAYLOAD_BYTES, 'omnixtend'));
    await client.read(4096, PAYLOAD_BYTES);
    await client.disconnect();
    await driver.program.stop();
    await endpoint.stop();
    byDriver = await framesOf(driverFile);
    byEndpoint = await framesOf(endpointFile);
  });
  afterAll(async () => {
    await lab?.close();
  });

  it('holds frames of EtherType 0xAAAA between the two, in both directions, only', () => {
    const [near, far] = [lab.wire.local.mac, lab.wire.peer.mac];
    for (const frames of [byDriver, byEndpoint]) {
      expect(new Set(frames.map(({ type }) => type))).toEqual(new Set([0xaaaa]));
      const directions = new Set(frames.map(({ from, to }) => `${from} ${to}`));
      expect(directions).toEqual(new Set([`${near} ${far}`, `${far} ${near}`]));
    }
  });

  it('holds each data frame that the transfer needs, and not many others', () => {
    const { mac } = lab.wire.local;
    const needed = PAYLOAD_BYTES / 1024;
    for (const isFromDriver of [true, false]) {
      const frames = byDriver.filter(({ from }) => (from === mac) === isFromDriver);
      const full = frames.filter(({ bytes }) => bytes > 1024 && bytes <= 1514);
      expect(full.length).toBeGreaterThanOrEqual(needed);
      expect(full.length).toBeLessThan(1.2 * needed);
      expect(frames.length).toBeLessThan(3 * needed);
    }
  });

  it('tells the same story at both ends', () => {
    const { mac } = lab.wire.local;
    const sent = byDriver.filter(({ from }) => from === mac);
    const received = byEndpoint.filter(({ from }) => from === mac);
    expect(received).toHaveLength(sent.length);
    expect(digestsOf(received) === digestsOf(sent)).toBe(true);
    const answers = byEndpoint.filter(({ from }) => from !== mac);
    const heard = byDriver.filter(({ from }) => from !== mac);
    // The endpoint may have sent a last word after the driver had left.
    expect(answers.length - heard.length).toBeLessThanOrEqual(2);
    expect(answers.length).toBeGreaterThanOrEqual(heard.length);
    expect(digestsOf(answers.slice(0, heard.length)) === digestsOf(heard)).toBe(true);
  });

  it('has times of today that do not run backwards', () => {
    for (const frames of [byDriver, byEndpoint]) {
      const times = frames.map(({ seconds }) => seconds);
      expect(times.toSorted((a, b) => a - b)).toEqual(times);
      expect(Math.abs((times[0] ?? 0) - Date.now() / 1000)).toBeLessThan(600);
    }
  });
});

interface CapturedFrame {
  readonly seconds: number;
  readonly type: number;
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  /** Of the whole frame. */
  readonly digest: string;
}

/** One text, so that a difference does not fill the screen. */
function digestsOf(frames: readonly CapturedFrame[]): string {
  return frames.map(({ digest }) => digest).join();
}

async function framesOf(file: string): Promise<CapturedFrame[]> {
  const fields = ['time_epoch', 'len', 'md5_hash'].map((name) => `frame.${name}`);
  fields.push('eth.type', 'eth.src', 'eth.dst');
  const options = ['-o', 'frame.generate_md5_hash:TRUE', '-T', 'fields'];
  const argv = ['tshark', '-n', '-r', file, ...options, ...fields.flatMap((f) => ['-e', f])];
  const lines = (await runClient(argv)).trim().split('\n');
  return lines.map((line) => {
    const [time, bytes, digest = '', type, from = '', to = ''] = line.split('\t');
    return { seconds: Number(time), type: Number(type), from, to, bytes: Number(bytes), digest };
  });
}
