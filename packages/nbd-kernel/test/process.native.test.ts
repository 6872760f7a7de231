import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { thisProcess } from '../src/index.ts';
import { obstacle } from './kernel-requirements.ts';
import { processContract } from './process-contract.ts';
import type { ProcessRig } from './process-contract.ts';

const reason = obstacle('addon');
let names = 0;

describe.skipIf(reason !== undefined)('native', () => {
  processContract('native', makeRig);

  test('replaces its program by the same one: same process, preloaded, arguments kept', () => {
    const [before, after] = guarded(['--expose-gc', '--no-warnings'], 'replace', 'and more');
    expect(after).toMatchObject({
      ...before,
      argv: ['replace', 'and more'],
      marker: 'yes',
      isPreloaded: true,
      preload: thisProcess().libraryFile(),
    });
  });

  const lockReason = hasCapability('CAP_IPC_LOCK') ? undefined : 'needs CAP_IPC_LOCK';
  test.skipIf(lockReason !== undefined)(
    'locks all of its memory, also what is mapped later, and V8 lives on',
    { meta: { skipReason: lockReason ?? '' } },
    () => {
      const [, after] = guarded(['--expose-gc'], 'replace,lock,churn');
      expect(after).toMatchObject({ lock: null, churn: true });
      const { sizeKiB, lockedKiB } = after as { sizeKiB: number; lockedKiB: number };
      // What cannot be locked: a few pages of the kernel's own.
      expect(sizeKiB - lockedKiB).toBeLessThan(1024);
    },
  );

  test.skipIf(lockReason !== undefined)(
    'pins a file in memory, all of its pages',
    { meta: { skipReason: lockReason ?? '' } },
    () => {
      const folder = mkdtempSync('/dev/shm/nbd-process-');
      const file = join(folder, 'file');
      writeFileSync(file, new Uint8Array(3 * 4096 + 1));
      const before = lockedKiB();
      thisProcess().pinFile(file);
      rmSync(folder, { recursive: true });
      expect(lockedKiB() - before).toBe(16);
    },
  );

  const urgentReason = hasCapability('CAP_SYS_NICE') ? undefined : 'needs CAP_SYS_NICE';
  test.skipIf(urgentReason !== undefined)(
    'has real-time priority with all of its threads, those of its new program included',
    { meta: { skipReason: urgentReason ?? '' } },
    () => {
      const [, after] = guarded([], 'urgent,replace');
      expect(after).toMatchObject({ urgent: after?.['threads'] });
    },
  );

  const markReason = hasCapability('CAP_SYS_RESOURCE') ? undefined : 'needs CAP_SYS_RESOURCE';
  test.skipIf(markReason !== undefined)(
    'is an IO flusher with all of its threads, those of its new program included',
    { meta: { skipReason: markReason ?? '' } },
    () => {
      const [, after] = guarded([], 'flusher,replace,ask');
      const { threads } = after as { threads: number };
      expect(threads).toBeGreaterThan(4);
      expect(after).toMatchObject({ isFlusher: true, flushers: threads });
    },
  );

  test.skipIf(markReason === undefined)(
    'says what it may not do without the capability',
    { meta: { skipReason: 'this process has CAP_SYS_RESOURCE' } },
    () => {
      const [after] = guarded([], 'flusher,ask');
      const { EPERM } = constants.errno;
      expect(after).toMatchObject({
        flusher: { syscall: 'prctl(PR_SET_IO_FLUSHER)', errno: EPERM },
        isFlusher: { syscall: 'prctl(PR_GET_IO_FLUSHER)', errno: EPERM },
        flushers: 0,
      });
    },
  );
});

async function makeRig(): Promise<ProcessRig> {
  const folder = mkdtempSync(join(tmpdir(), 'nbd-process-'));
  const children: ChildProcess[] = [];
  return {
    native: thisProcess(),
    freeAddress: (kind) =>
      (kind === 'path' ? folder : `@oxmem-test-${process.pid}`) + `/${names++}`,
    async receive(address) {
      const child = spawn('python3', [fixture('datagrams.py'), address], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      children.push(child);
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      expect((await lines.next()).value).toBe('bound');
      return async () => {
        child.stdin.write('next\n');
        return JSON.parse((await lines.next()).value as string) as string;
      };
    },
    async dispose() {
      for (const child of children) {
        child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }
      rmSync(folder, { recursive: true });
    },
  };
}

/** What a process of its own said, one entry for each time that it was asked. */
function guarded(
  options: readonly string[],
  ...args: readonly string[]
): Readonly<Record<string, unknown>>[] {
  const argv = [...options, fixture('guarded.mjs'), ...args];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, argv, {
    env: { PATH: process.env.PATH, ADDON: thisProcess().libraryFile() },
    encoding: 'utf8',
  });
  expect({ status, signal }, stderr).toEqual({ status: 0, signal: null });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

/** Of this process. */
function lockedKiB(): number {
  return Number(/^VmLck:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

function hasCapability(name: keyof typeof CAPABILITIES): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return ((BigInt(`0x${mask}`) >> BigInt(CAPABILITIES[name])) & 1n) === 1n;
}

const CAPABILITIES = { CAP_IPC_LOCK: 14, CAP_SYS_NICE: 23, CAP_SYS_RESOURCE: 24 } as const;
