import { describe, expect, it } from 'vitest';
import { pcapBytes, pcapngBytes } from '../../test/capture-bytes.ts';
import { CaptureReader } from './capture-reader.ts';

/** What a file holds, read in pieces of a length. */
function readAll(file: Uint8Array, pieceBytes = file.length) {
  const reader = new CaptureReader();
  const records: { time: string; linkType: number; bytes: number[]; originalBytes: number }[] = [];
  for (let at = 0; at < file.length; at += pieceBytes) {
    reader.push(file.subarray(at, at + pieceBytes));
    for (;;) {
      const step = reader.next();
      if (step.kind === 'broken') return { records, why: step.why };
      if (step.kind === 'hungry') break;
      const { seconds, nanos, linkType, bytes, originalBytes } = step.record;
      const time = `${seconds}.${String(nanos).padStart(9, '0')}`;
      records.push({ time, linkType, bytes: [...bytes], originalBytes });
    }
  }
  return { records, why: reader.finish() };
}

const ONE = Uint8Array.of(1, 2, 3, 4, 5);
const TWO = Uint8Array.of(9, 8, 7);

describe('pcap', () => {
  it.each([
    [true, false, '12.345678000'],
    [false, false, '12.345678000'],
    [true, true, '12.345678901'],
    [false, true, '12.345678901'],
  ])('is read little-endian %s, with nanoseconds %s', (isLittle, isNano, time) => {
    const ticks = isNano ? 12_345_678_901n : 12_345_678n;
    const file = pcapBytes(
      [
        { ticks, bytes: ONE, originalBytes: 70 },
        { ticks, bytes: TWO },
      ],
      {
        isLittle,
        isNano,
      },
    );
    const { records, why } = readAll(file);
    expect(why).toBeUndefined();
    expect(records).toEqual([
      { time, linkType: 1, bytes: [...ONE], originalBytes: 70 },
      { time, linkType: 1, bytes: [...TWO], originalBytes: 3 },
    ]);
  });

  it('tells the link type without what is said of the FCS', () => {
    const file = pcapBytes([{ ticks: 0n, bytes: ONE }], { linkType: 0x54000001 });
    expect(readAll(file).records).toMatchObject([{ linkType: 1 }]);
  });
});

describe('pcapng', () => {
  const second = 1_700_000_000n;

  it.each([
    [undefined, second * 1_000_000n + 5n, '1700000000.000005000'],
    [9, second * 1_000_000_000n + 5n, '1700000000.000000005'],
    [3, second * 1000n + 5n, '1700000000.005000000'],
    [0x80 + 10, second * 1024n + 512n, '1700000000.500000000'],
    [12, 5_000_000_005_000n, '5.000000005'],
  ])('has times of resolution %s', (resolution, ticks, time) => {
    const made = resolution === undefined ? {} : { resolution };
    for (const isLittle of [true, false]) {
      const file = pcapngBytes([made], [{ ticks, bytes: ONE }], { isLittle });
      expect(readAll(file)).toEqual({
        records: [{ time, linkType: 1, bytes: [...ONE], originalBytes: 5 }],
        why: undefined,
      });
    }
  });

  it('has interfaces of their own kinds, and sections of their own byte order', () => {
    const interfaces = [{ linkType: 113 }, { resolution: 0, offsetSeconds: -100n }];
    const record = { ticks: 200n, bytes: TWO, interfaceNumber: 1 };
    const first = pcapngBytes(interfaces, [{ ticks: 0n, bytes: ONE }, record]);
    const next = pcapngBytes([{}], [{ ticks: 7n, bytes: ONE }], { isLittle: false });
    const { records, why } = readAll(Uint8Array.of(...first, ...next));
    expect(why).toBeUndefined();
    expect(records).toMatchObject([
      { linkType: 113, time: '0.000000000' },
      { linkType: 1, time: '100.000000000' },
      { linkType: 1, time: '0.000007000' },
    ]);
  });

  it.each(['old', 'simple'] as const)('has packets of the %s kind', (kind) => {
    const records = [{ ticks: 3_000_000n, bytes: ONE }];
    const file = pcapngBytes([{}], records, { kind });
    const time = kind === 'simple' ? '0.000000000' : '3.000000000';
    expect(readAll(file).records).toEqual([
      { time, linkType: 1, bytes: [...ONE], originalBytes: 5 },
    ]);
  });

  it('cuts simple packets at the snap length', () => {
    const file = pcapngBytes([{ snapBytes: 3 }], [{ ticks: 0n, bytes: TWO, originalBytes: 70 }], {
      kind: 'simple',
    });
    expect(readAll(file).records).toMatchObject([{ bytes: [...TWO], originalBytes: 70 }]);
  });
});

describe('any capture', () => {
  const files = [
    pcapBytes([
      { ticks: 1n, bytes: ONE },
      { ticks: 2n, bytes: TWO },
    ]),
    pcapngBytes(
      [{}],
      [
        { ticks: 1n, bytes: ONE },
        { ticks: 2n, bytes: TWO },
      ],
    ),
  ];

  it('is the same in pieces of any length', () => {
    for (const file of files) {
      const whole = readAll(file);
      for (let length = 1; length < 40; length++) expect(readAll(file, length)).toEqual(whole);
    }
  });

  it('is missing its end wherever it was cut, but between two records', () => {
    for (const file of files) {
      const whole = readAll(file).records;
      for (let length = 5; length < file.length; length++) {
        const { records, why } = readAll(file.subarray(0, length));
        expect(whole.slice(0, records.length)).toEqual(records);
        if (why !== undefined) expect(why).toMatch(/^it ends in the middle of a record/);
      }
    }
  });

  it.each([
    ['nothing', new Uint8Array(), 'it is empty'],
    ['a text', new TextEncoder().encode('hello, world'), 'neither pcap nor pcapng at byte 0'],
    [
      'a packed file',
      Uint8Array.of(0x1f, 0x8b, 8, 0),
      'a compressed file (unpack it first) at byte 0',
    ],
  ])('is not %s', (_, file, why) => {
    const reader = new CaptureReader();
    reader.push(file);
    const step = reader.next();
    expect(step.kind === 'broken' ? step.why : reader.finish()).toBe(why);
  });

  it('is broken where a frame of gigabytes is announced, and takes no memory for it', () => {
    const [pcap, pcapng] = files.map((file) => file.slice()) as [Uint8Array, Uint8Array];
    new DataView(pcap.buffer).setUint32(24 + 8, 0xfffffff0, true);
    expect(readAll(pcap).why).toBe('a frame of 4294967280 bytes is announced at byte 24');
    const section = 28 + 1012;
    const at = pcapng.findIndex((byte, i) => i >= section && byte === 6);
    new DataView(pcapng.buffer).setUint32(at + 4, 0xfffffff0, true);
    expect(readAll(pcapng).why).toMatch(/^a block of 4294967280 bytes is announced/);
  });

  it('is broken where a frame names an interface that is not there', () => {
    const file = pcapngBytes([{}], [{ ticks: 0n, bytes: ONE, interfaceNumber: 7 }]);
    expect(readAll(file).why).toMatch(/^a frame of interface 7, which is not described/);
  });
});
