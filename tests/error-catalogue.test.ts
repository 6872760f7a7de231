/** docs/errors.md has every sentence for a failure, each code with its exit code, and no others. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NbdDeviceError, type NbdErrorCode } from '@oxmem/nbd-kernel';
import { NbdErrno } from '@oxmem/nbd-protocol';
import { MemoryStatus } from '@oxmem/tloe-protocol';
import { describe, expect, it } from 'vitest';
import { errnoOf, textOf } from '../packages/oxmem-bdev/src/device/nbd-errno.ts';
import { DriverError, type DriverErrorCode } from '../packages/oxmem-bdev/src/errors.ts';
import { deviceFailure } from '../packages/oxmem-bdev/src/kernel/device-failure.ts';
import { errorSentences } from './error-sentences.ts';

const root = join(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/errors.md'), 'utf8');
const shown = [...page.matchAll(/^> (.*)$/gm)].map(([, sentence = '']) => sentence);
/** The doctor says of each thing what to do about it; its lines are no failures of its own. */
const isCatalogued = ({ file }: { file: string }): boolean => !file.includes('/commands/doctor/');
const sentences = ['rawsock', 'nbd-kernel', 'oxmem-bdev', 'sim-endpoint', 'oxmem-tloe']
  .flatMap(errorSentences)
  .filter(isCatalogued);

/** All members of a union type of codes, as the source has them. */
function codesIn(path: string, prefix: string): string[] {
  const text = readFileSync(join(root, 'packages', path), 'utf8');
  return [...new Set(text.match(new RegExp(`\\b${prefix}_[A-Z_]+\\b`, 'g')))].sort();
}

const exitCode = (code: string): number => new DriverError(code as DriverErrorCode, '').exitCode;

describe('the catalogue of errors', () => {
  it('has every sentence that the sources have', () => {
    expect(sentences.length).toBeGreaterThan(90);
    const missing = sentences.filter(({ text }) => !shown.includes(text));
    expect(missing, 'add these to docs/errors.md').toEqual([]);
  });

  it('has no sentence that the sources do not have', () => {
    const texts = new Set(sentences.map(({ text }) => text));
    expect(shown.filter((text) => !texts.has(text))).toEqual([]);
  });

  it('has a section for each code of the driver, with its exit code and its sentences', () => {
    const codes = codesIn('oxmem-bdev/src/errors.ts', 'ERR_OXMEM');
    const sections = new Map(
      page.split(/^(?=#{2,3} )/m).map((text) => [/^### `(.*)`$/m.exec(text)?.[1] ?? '', text]),
    );
    sections.delete('');
    expect([...sections.keys()].sort()).toEqual(codes);
    for (const [code, text] of sections) {
      expect(Number(/^Exit code (\d)\./m.exec(text)?.[1]), code).toBe(exitCode(code));
      const own = sentences.filter((sentence) => sentence.code === code);
      for (const sentence of own) expect(text, code).toContain(`> ${sentence.text}\n`);
    }
  });

  it('says what the codes of the libraries become', () => {
    const rows = new Map(
      [...page.matchAll(/^\| `(ERR_\w+)` +\| `?(\w*)`? +\| (\d?) +\| (\d?) +\|$/gm)].map(
        ([, code = '', driver = '', exit = '', other = '']) => [code, { driver, exit, other }],
      ),
    );
    const nbd = codesIn('nbd-kernel/src/errors.ts', 'ERR_NBD');
    const raw = codesIn('rawsock/src/errors.ts', 'ERR_RAWSOCK');
    const file = ['OPEN', 'SIZE', 'READ', 'WRITE'].map((end) => `ERR_FILE_MEMORY_${end}`);
    expect([...rows.keys()].sort()).toEqual([...nbd, ...raw, ...file].sort());
    for (const code of nbd) {
      const failure = deviceFailure(new NbdDeviceError(code as NbdErrorCode, '')) as DriverError;
      expect(rows.get(code)).toEqual({
        driver: failure.code,
        exit: String(failure.exitCode),
        other: '',
      });
    }
    const transport = join(root, 'packages/oxmem-bdev/src/endpoint/raw-transport.ts');
    const mapping = readFileSync(transport, 'utf8').matchAll(/(ERR_RAWSOCK_\w+): '(\w+)'/g);
    const driverCodes = new Map([...mapping].map(([, code = '', driver = '']) => [code, driver]));
    for (const code of raw) {
      const driver = driverCodes.get(code) ?? '';
      const exit = String(exitCode(driver));
      expect(rows.get(code)).toEqual({ driver, exit, other: exit });
    }
  });

  it('has every way in which a request fails', () => {
    const failures = Object.values(MemoryStatus).filter((status) => status !== MemoryStatus.ok);
    for (const status of failures) {
      const name = Object.entries(NbdErrno).find(([, value]) => value === errnoOf(status))?.[0];
      expect(page).toMatch(new RegExp(`^\\| ${textOf(status)} +\\| ${name} +\\|$`, 'm'));
    }
  });
});
