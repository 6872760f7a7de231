import { constants } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NativeProcess } from '../src/index.ts';

/** A process, and somebody who receives its datagrams. */
export interface ProcessRig {
  readonly native: NativeProcess;
  /** An address that nobody listens at: a path, or an abstract one. */
  freeAddress(kind: AddressKind): string;
  /** Opens a socket for datagrams. @returns what reads the next one */
  receive(address: string): Promise<() => Promise<string>>;
  dispose(): Promise<void>;
}

export type AddressKind = 'path' | 'abstract';

/** What every implementation of NativeProcess does wherever it runs, whatever it may do. */
export function processContract(title: string, makeRig: () => Promise<ProcessRig>): void {
  describe(`${title}: the process`, () => {
    let rig: ProcessRig;
    beforeEach(async () => {
      rig = await makeRig();
    });
    afterEach(async () => {
      await rig.dispose();
    });

    for (const kind of ['path', 'abstract'] as const) {
      test(`sends datagrams, whole and in order, to an address of the kind ${kind}`, async () => {
        const address = rig.freeAddress(kind);
        const next = await rig.receive(address);
        rig.native.sendDatagram(address, 'READY=1\nSTATUS=schön');
        rig.native.sendDatagram(address, '');
        rig.native.sendDatagram(address, 'WATCHDOG=1');
        expect([await next(), await next(), await next()]).toEqual([
          'READY=1\nSTATUS=schön',
          '',
          'WATCHDOG=1',
        ]);
      });

      test(`says that nobody receives, and how it knows: ${kind}`, () => {
        const errno = kind === 'path' ? constants.errno.ENOENT : constants.errno.ECONNREFUSED;
        expect(thrownBy(() => rig.native.sendDatagram(rig.freeAddress(kind), 'x'))).toMatchObject({
          syscall: 'sendto',
          errno,
        });
      });
    }

    test('refuses addresses that are too long, by one byte and by many', async () => {
      for (const address of [
        `/${'x'.repeat(107)}`,
        `@${'x'.repeat(108)}`,
        `/${'x'.repeat(9999)}`,
      ]) {
        expect(thrownBy(() => rig.native.sendDatagram(address, 'x'))).toMatchObject({
          errno: constants.errno.ENAMETOOLONG,
        });
      }
      const longest = thrownBy(() => rig.native.sendDatagram(`/${'x'.repeat(106)}`, 'x'));
      expect(longest).toMatchObject({ errno: constants.errno.ENOENT });
    });

    test('never waits for a receiver that does not read', async () => {
      const address = rig.freeAddress('path');
      await rig.receive(address);
      const flood = thrownBy(() => {
        for (let i = 0; i < 100_000; i++) rig.native.sendDatagram(address, `${i}`);
      });
      expect(flood).toMatchObject({ syscall: 'sendto', errno: constants.errno.EAGAIN });
    });

    test('locks no memory where V8 could not live with it', () => {
      expect(rig.native.isPreloaded()).toBe(false);
      expect(thrownBy(() => rig.native.lockMemory())).toMatchObject({
        message: 'the addon was not preloaded',
      });
    });

    test('pins no file that is not there', () => {
      expect(thrownBy(() => rig.native.pinFile('no/such/file'))).toMatchObject({
        syscall: 'open',
        errno: constants.errno.ENOENT,
      });
    });

    test('knows its own file', () => {
      expect(rig.native.libraryFile()).toMatch(/^\/.*nbd_kernel\.node$/);
    });

    test('stays what it is when there is no program to replace it by', () => {
      const path = 'no/such/program';
      expect(thrownBy(() => rig.native.replaceProgram(path, [path], []))).toMatchObject({
        syscall: 'execve',
        errno: constants.errno.ENOENT,
      });
    });
  });
}

function thrownBy(run: () => void): unknown {
  try {
    run();
  } catch (thrown) {
    return thrown;
  }
  throw new Error('nothing was thrown');
}
