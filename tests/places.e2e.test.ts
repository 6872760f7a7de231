/** Sizes and places: every way in which an access can lie in the memory, over a real wire. */
import { readFileSync } from 'node:fs';
import { Command } from '@oxmem/nbd-protocol';
import { Prng } from '@oxmem/tloe-protocol/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from './lab-program.ts';
import { NbdSocketClient } from './nbd-socket-client.ts';
import { OxmemLab } from './oxmem-lab.ts';
import type { LabDriver } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';

const GIB = 2 ** 30;

describeRequiring(['netns', 'raw-socket'], 'the memory behind an export', () => {
  describe('of 64 MiB', () => {
    let lab: OxmemLab;
    let client: NbdSocketClient;
    beforeAll(async () => {
      lab = await OxmemLab.open();
      await lab.startEndpoint('64M');
      const driver = await lab.startDriver();
      client = await NbdSocketClient.open(driver.socketPath);
    });
    afterAll(async () => {
      await client?.disconnect();
      await lab?.close();
    });

    it('has a first and a last byte, and nothing behind', async () => {
      const last = client.sizeBytes - 1;
      await client.write(0, Buffer.from([0xa1, 0xa2]));
      await client.write(last - 1, Buffer.from([0xb1, 0xb2]));
      await client.write(0, Buffer.from([0xc1]));
      await client.write(last, Buffer.from([0xd2]));
      expect(await client.read(0, 2)).toEqual(Buffer.from([0xc1, 0xa2]));
      expect(await client.read(last - 1, 2)).toEqual(Buffer.from([0xb1, 0xd2]));
      expect((await client.request(Command.READ, last, 2)).error).not.toBe(0);
      expect((await client.request(Command.READ, last + 1, 1)).error).not.toBe(0);
      const beyond = await client.request(Command.WRITE, last, 2, Buffer.from([1, 2]));
      expect(beyond.error).not.toBe(0);
      expect(await client.read(last, 1)).toEqual(Buffer.from([0xd2]));
    });

    it('keeps every size from 1 to 4097 at every alignment modulo 16', async () => {
      const model = await SlotModel.prepare(client);
      const sizes = Array.from({ length: 4097 }, (_, index) => index + 1);
      const cases = sizes.flatMap((size) => ALIGNMENTS.map((alignment) => ({ size, alignment })));
      expect(cases).toHaveLength(65_552);
      let next = 0;
      const worker = async (slot: number): Promise<void> => {
        for (let one = cases[next++]; one !== undefined; one = cases[next++]) {
          await model.tryOne(slot, one.size, one.alignment);
        }
      };
      await Promise.all(Array.from({ length: SLOTS }, (_, slot) => worker(slot)));
      await model.expectWhole();
    });

    it('takes sizes around powers of two up to 1 MiB at odd places', async () => {
      const prng = new Prng(7);
      for (let exponent = 12; exponent <= 20; exponent++) {
        for (const size of [2 ** exponent - 1, 2 ** exponent, 2 ** exponent + 1]) {
          const offset = 1 + (prng.nextUint32() % (60 * 2 ** 20));
          const data = randomBytes(prng, size);
          await client.write(offset, data);
          expect(data.equals(await client.read(offset, size)), `${size} at ${offset}`).toBe(true);
        }
      }
    });
  });

  let lab: OxmemLab | undefined;
  afterEach(async () => {
    await lab?.close();
    lab = undefined;
  });

  it('reaches beyond 4 GiB without folding onto the memory below', async () => {
    lab = await OxmemLab.open();
    await lab.startEndpoint('8G');
    const driver = await lab.startDriver();
    const client = await NbdSocketClient.open(driver.socketPath);
    expect(client.sizeBytes).toBe(8 * GIB);
    const places = [0, 2 * GIB, 4 * GIB - 65536, 4 * GIB, 6 * GIB + 4096, 8 * GIB - 65536];
    const prng = new Prng(11);
    const blocks = places.map(() => randomBytes(prng, 65536));
    for (const [i, at] of places.entries()) await client.write(at, blocks[i]!);
    for (const [i, at] of places.entries()) {
      expect(blocks[i]!.equals(await client.read(at, 65536)), `at ${at}`).toBe(true);
    }
    // Across the line itself.
    const line = randomBytes(prng, 8191);
    await client.write(4 * GIB - 4095, line);
    expect(line.equals(await client.read(4 * GIB - 4095, 8191))).toBe(true);
    expect((await client.read(0, 65536)).equals(blocks[0]!)).toBe(true);
    await client.disconnect();
  });

  it('may begin at an address with bit 63 set, up to the very last address', async () => {
    lab = await OxmemLab.open();
    // The last MiB that an address of 64 bits can name.
    for (const [base, size] of [
      ['0x8000000000000000', '1G'],
      ['0xfffffffffff00000', '1M'],
    ] as const) {
      const endpoint = await lab.startEndpoint(size, [`--base=${base}`]);
      const driver = await lab.startDriver({ args: [`--base=${base}`] });
      expect(driver.program.stdout).toContain(` bytes at ${base} on ${lab.wire.peer.mac} via `);
      await expectPatternsKept(driver);
      await driver.program.stop();
      await endpoint.stop();
    }
  });

  it.each([
    ['begins before', '0x800', '1M', 'at 0x800 '],
    ['ends after', '0x1000', '2M', 'at 0x200ff8 '],
  ])('says at the start that the range %s the memory', async (_, base, size, place) => {
    lab = await OxmemLab.open();
    await lab.startEndpoint('1M', ['--base=0x1000']);
    const result = await runProgram([
      ...lab.driverArgv(0, size),
      `--base=${base}`,
      `--listen=unix:${lab.path('s')}`,
    ]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('the memory endpoint refused the access');
    expect(result.stderr).toContain(place);
    expect(result.stdout).not.toContain('ready');
  });

  for (const order of ['raw', 'spec'] as const) {
    it(`lies straight in the endpoint's memory, data order ${order} at both ends`, async () => {
      expect(await storedBytes(order, order)).toEqual(COUNTED);
    });
  }

  it('lies with every double-word reversed when the two ends differ in data order', async () => {
    const reversed = Buffer.from(COUNTED).swap64();
    expect(await storedBytes('raw', 'spec')).toEqual(reversed);
    expect(await storedBytes('spec', 'raw')).toEqual(reversed);
  });

  /** What the endpoint's backing file holds after a write of COUNTED at its start. */
  async function storedBytes(driverOrder: string, endpointOrder: string): Promise<Buffer> {
    const own = await OxmemLab.open();
    try {
      const file = own.path('memory');
      const args = [`--backing=${file}`, `--data-order=${endpointOrder}`];
      const endpoint = await own.startEndpoint('64K', args);
      const driver = await own.startDriver({ args: [`--data-order=${driverOrder}`] });
      const client = await NbdSocketClient.open(driver.socketPath);
      await client.write(0, COUNTED);
      expect(await client.read(0, COUNTED.length)).toEqual(COUNTED);
      await client.disconnect();
      await driver.program.stop();
      await endpoint.stop();
      return readFileSync(file).subarray(0, COUNTED.length);
    } finally {
      await own.close();
    }
  }

  for (const mtuBytes of [1500, 9000]) {
    it(`is the same through any size of access at MTU ${mtuBytes}`, async () => {
      lab = await OxmemLab.open({ mtuBytes });
      await lab.startEndpoint('4M');
      for (const bytes of [8, 64, 1024, 2048, 4096]) {
        const driver = await lab.startDriver({ args: [`--max-request=${bytes}`] });
        await expectPatternsKept(driver);
        await driver.program.stop();
      }
    });
  }

  it('is the same through one access at a time', async () => {
    lab = await OxmemLab.open();
    await lab.startEndpoint('4M');
    await expectPatternsKept(await lab.startDriver({ args: ['--window=1'] }));
  });
});

/** 256 different bytes. */
const COUNTED = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
const ALIGNMENTS = Array.from({ length: 16 }, (_, index) => index);
/** Places that are worked on at the same time, 8 KiB each. */
const SLOTS = 64;
const SLOT_BYTES = 8192;
/** Bytes on each side of a write that must not change. */
const NEIGHBOURHOOD = 24;

/** What the first half MiB of the memory must hold. */
class SlotModel {
  readonly #client: NbdSocketClient;
  readonly #bytes: Buffer;
  readonly #source: Buffer;
  #sourceAt = 0;

  private constructor(client: NbdSocketClient, prng: Prng) {
    this.#client = client;
    this.#bytes = randomBytes(prng, SLOTS * SLOT_BYTES);
    this.#source = randomBytes(prng, 2 ** 20);
  }

  static async prepare(client: NbdSocketClient): Promise<SlotModel> {
    const model = new SlotModel(client, new Prng(1));
    await client.write(0, model.#bytes);
    return model;
  }

  /** Writes somewhere in the slot and reads it again with its neighbourhood. */
  async tryOne(slot: number, size: number, alignment: number): Promise<void> {
    const start = slot * SLOT_BYTES + 32 + alignment;
    this.#sourceAt = (this.#sourceAt + 4099) % (this.#source.length - 4097);
    const data = this.#source.subarray(this.#sourceAt, this.#sourceAt + size);
    await this.#client.write(start, data);
    data.copy(this.#bytes, start);
    const from = start - NEIGHBOURHOOD;
    const got = await this.#client.read(from, size + 2 * NEIGHBOURHOOD);
    if (got.equals(this.#bytes.subarray(from, from + got.length))) return;
    const expected = this.#bytes.subarray(from, from + got.length);
    const at = got.findIndex((byte, index) => byte !== expected[index]) - NEIGHBOURHOOD;
    throw new Error(`${size} bytes at ${start}: byte ${at} of them is wrong`);
  }

  async expectWhole(): Promise<void> {
    const got = await this.#client.read(0, this.#bytes.length);
    expect(got.equals(this.#bytes), 'the whole of the memory').toBe(true);
  }
}

/** Writes of several sizes and places, all open at once, then all read again. */
async function expectPatternsKept(driver: LabDriver): Promise<void> {
  const client = await NbdSocketClient.open(driver.socketPath);
  const prng = new Prng(23);
  const sizes = [1, 7, 8, 9, 63, 64, 65, 511, 512, 1023, 1025, 4096, 4097, 65536, 65537];
  const stride = Math.floor(client.sizeBytes / (sizes.length + 1));
  const writes = sizes.map((size, i) => ({
    at: Math.min(i * stride + (prng.nextUint32() % 16), client.sizeBytes - size),
    data: randomBytes(prng, size),
  }));
  writes.push({ at: client.sizeBytes - 4099, data: randomBytes(prng, 4099) });
  // A small memory would have them overlap; then the last one counts.
  const apart = stride > 65537 + 16;
  if (apart) await Promise.all(writes.map(({ at, data }) => client.write(at, data)));
  for (const { at, data } of writes) {
    if (!apart) await client.write(at, data);
    expect(data.equals(await client.read(at, data.length)), `${data.length} at ${at}`).toBe(true);
  }
  await client.disconnect();
}

function randomBytes(prng: Prng, length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = prng.nextUint32();
  return Buffer.from(words.buffer, 0, length);
}
