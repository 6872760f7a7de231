import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { SAMPLES } from './content-witness.ts';
import { WitnessFile, readWitnessFile } from './witness-file.ts';

describe('the file of a witness', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'oxmem-witness-'));
    path = join(folder, 'nbd0.witness');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('gives back what was put and not cleared, also while it is still open', () => {
    const file = new WitnessFile(path);
    file.put(0, { offset: 0, crc: 0xffff_ffff });
    file.put(1, { offset: 512, crc: 1 });
    file.put(SAMPLES - 1, { offset: 2 ** 53 - 1024, crc: 2 });
    file.clear(1);
    expect(readWitnessFile(path)).toEqual([
      { offset: 0, crc: 0xffff_ffff },
      { offset: 2 ** 53 - 1024, crc: 2 },
    ]);
    file.close();
  });

  it('is for its owner only, and empty again when it is made anew', () => {
    const first = new WitnessFile(path);
    first.put(3, { offset: 1024, crc: 3 });
    first.close();
    new WitnessFile(path).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readWitnessFile(path)).toEqual([]);
  });

  it('says nothing when it is missing, cut short or something else', () => {
    expect(readWitnessFile(path)).toEqual([]);
    writeFileSync(path, 'oxmem-witness-1\n');
    expect(readWitnessFile(path)).toEqual([]);
    writeFileSync(path, Buffer.alloc(16 + 16 * SAMPLES, 1));
    expect(readWitnessFile(path)).toEqual([]);
  });
});
