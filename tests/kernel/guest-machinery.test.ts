/** The machinery of the guests: no case is lost, whatever becomes of a guest. */
import { describe, expect, it } from 'vitest';
import {
  guestCommands,
  kernelTestCommands,
  packageOfCommand,
  packagesOf,
  testCommands,
} from '../../scripts/debian-packages.mjs';
import CaseLinesReporter, {
  caseLineParser,
  withoutCaseLines,
} from '../../scripts/kernel-lab/case-lines.mjs';
import type { CaseLine } from '../../scripts/kernel-lab/case-lines.mjs';
import { sumUpGuest } from '../../scripts/kernel-lab/guest-cases.mjs';
import { sharesOf } from '../../scripts/kernel-lab/guest-shares.mjs';
import type { TestCaseRecord } from '../../scripts/vitest-results.mjs';

function listed(file: string, name: string): TestCaseRecord {
  return { project: 'kernel', file, name, state: 'skipped', durationMs: 0 };
}

function line(file: string, name: string, state: CaseLine['state']): CaseLine {
  return { file, name, state, durationMs: state === 'started' ? 0 : 7 };
}

describe('the sum of a guest', () => {
  const all = [listed('a', 'one'), listed('a', 'two'), listed('a', 'three'), listed('b', 'four')];

  it('is what vitest wrote down when it came to its end', () => {
    const results = all.map((record) => ({ ...record, state: 'passed' as const }));
    const sum = sumUpGuest(['a', 'b'], all, { results, lines: [] });
    expect(sum).toEqual({ records: results, untouched: [] });
  });

  it('keeps what had ended, fails what ran and what was left, when the guest died', () => {
    const lines = [line('a', 'one', 'started'), line('a', 'one', 'passed')];
    lines.push(line('a', 'two', 'started'));
    const sum = sumUpGuest(['a', 'b'], all, { results: [], lines, problem: 'Kernel panic' });
    expect(sum.records.map(({ name, state, reason }) => [name, state, reason])).toEqual([
      ['one', 'passed', undefined],
      ['two', 'failed', 'it ran when the guest ended: Kernel panic'],
      ['three', 'failed', 'not run: Kernel panic'],
    ]);
    expect(sum.untouched).toEqual(['b']);
  });

  it('hands no file on when nothing had begun: another guest would fare the same', () => {
    const sum = sumUpGuest(['a', 'b'], all, { results: [], lines: [], problem: 'no boot' });
    expect(sum.records.map(({ state }) => state)).toEqual(['failed', 'failed', 'failed', 'failed']);
    expect(sum.untouched).toEqual([]);
  });

  it('fails a file that vitest has not told of, though the guest came to its end', () => {
    const results = [{ ...all[3]!, state: 'passed' as const }];
    const sum = sumUpGuest(['a', 'b'], all, { results, lines: [] });
    expect(sum.records.map(({ state }) => state)).toEqual(['passed', 'failed', 'failed', 'failed']);
  });
});

describe('shares', () => {
  it('hold each file once: those not planned first and alone, the others as planned', () => {
    const plan = [{ files: ['c', 'a'], memory: '1G' }, { files: ['d'] }];
    expect(sharesOf(['a', 'b', 'c'], plan)).toEqual([
      { files: ['b'] },
      { files: ['c', 'a'], memory: '1G' },
    ]);
  });
});

describe('marked lines', () => {
  it('are found in a stream that is cut anywhere, and taken out of it', () => {
    let text = 'noise before';
    const write = process.stdout.write.bind(process.stdout);
    process.stdout.write = (chunk: string | Uint8Array): boolean => {
      text += String(chunk);
      return true;
    };
    try {
      new CaseLinesReporter().onTestCaseReady(fakeCase as never);
    } finally {
      process.stdout.write = write;
    }
    text += 'noise after\n';
    const found: CaseLine[] = [];
    const parse = caseLineParser((marked) => found.push(marked));
    for (const character of text) parse(character);
    expect(found).toEqual([line('tests/x.kernel.test.ts', 'a name', 'started')]);
    expect(withoutCaseLines(text)).toBe('noise beforenoise after\n');
  });
});

describe('the packages', () => {
  it('are known for every command of the tests', () => {
    for (const command of [...testCommands, ...guestCommands, ...kernelTestCommands]) {
      expect(Object.keys(packageOfCommand), command).toContain(command);
    }
    expect(packagesOf(['mkfs.xfs'])).toEqual(['xfsprogs']);
  });
});

const fakeCase = {
  options: { mode: 'run' },
  result: () => ({ state: 'pending' }),
  module: { relativeModuleId: 'tests/x.kernel.test.ts' },
  fullName: 'a name',
  diagnostic: () => undefined,
};
