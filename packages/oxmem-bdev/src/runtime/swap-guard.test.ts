import { MockProcess } from '@oxmem/nbd-kernel/mock';
import { beforeEach, describe, expect, it } from 'vitest';

import { ExitCode } from '../cli/exit-codes.ts';
import { DriverError } from '../errors.ts';
import { guardForSwap, pinWitnesses } from './swap-guard.ts';

const argv = ['node', '--expose-gc', '/opt/oxmem-bdev.js', '--swap', '--size=8G'];

describe('a process that is to serve swap space', () => {
  let native: MockProcess;
  let environment: NodeJS.ProcessEnv;
  let oomScore: { text: string; read: () => string; write: (text: string) => void };

  beforeEach(() => {
    native = new MockProcess();
    environment = { HOME: '/root' };
    oomScore = {
      text: '0\n',
      read: () => oomScore.text,
      write: (text) => {
        oomScore.text = text;
      },
    };
  });

  function guard(): void {
    guardForSwap({ native, environment, execPath: '/usr/bin/node', argv, oomScore });
  }

  /** What the kernel and the dynamic linker make of the first start. */
  function startAnew(): void {
    const lines = native.replacedBy?.environment ?? [];
    environment = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    native.replacedBy = undefined;
    native.hasPreload = environment['LD_PRELOAD']?.startsWith(native.libraryFile()) === true;
  }

  function refusal(): DriverError {
    try {
      guard();
    } catch (thrown) {
      if (thrown instanceof DriverError) return thrown;
    }
    throw new Error('it was not refused');
  }

  it('becomes an IO flusher with real-time priority, then starts the same program with the same arguments', () => {
    guard();
    expect(native).toMatchObject({ hasFlusherMark: true, isRealTime: true, isLocked: false });
    expect(native.replacedBy).toMatchObject({ path: '/usr/bin/node', argv });
    expect(native.replacedBy?.environment).toContain('HOME=/root');
    expect(oomScore.text).toBe('0\n');
  });

  it('started anew, locks its memory and is the last to be ended for want of memory', () => {
    guard();
    startAnew();
    guard();
    expect(native).toMatchObject({ isLocked: true, replacedBy: undefined });
    expect(oomScore.text).toBe('-1000');
  });

  it.each([
    ['without LD_PRELOAD', {}],
    ['with LD_PRELOAD', { LD_PRELOAD: '/lib/other.so' }],
  ])('has the environment afterwards that it had before: %s', (_, more) => {
    Object.assign(environment, more);
    const before = { ...environment };
    guard();
    startAnew();
    expect(environment['LD_PRELOAD']).toMatch(/^\/mock\/nbd_kernel\.node(:\/lib\/other\.so)?$/);
    guard();
    expect(environment).toEqual(before);
  });

  it('is content with an OOM score that the service manager has set', () => {
    oomScore.text = '-1000\n';
    oomScore.write = () => {
      throw new Error('not permitted');
    };
    guard();
    startAnew();
    guard();
    expect(native.isLocked).toBe(true);
  });

  it('is refused without the capability, before anything has changed', () => {
    native.isPermitted = false;
    const { message, exitCode } = refusal();
    expect(message).toMatch(/^--swap: .*IO flusher.*sudo.*CAP_SYS_RESOURCE\.$/);
    expect(exitCode).toBe(ExitCode.notPermitted);
    expect(native.replacedBy).toBeUndefined();
  });

  it('is refused without the right to real-time priority', () => {
    native.isUrgencyPermitted = false;
    expect(refusal().message).toMatch(/real-time priority.*CAP_SYS_NICE\.$/);
    expect(native.replacedBy).toBeUndefined();
  });

  it('is refused by a kernel that is too old', () => {
    native.isKernelNew = false;
    expect(refusal().message).toMatch(/Linux 5\.6/);
  });

  it('does not start itself again and again where the mark is lost', () => {
    guard();
    startAnew();
    native.hasFlusherMark = false;
    expect(refusal().message).toMatch(/forgot/);
    expect(native.replacedBy).toBeUndefined();
  });

  it('locks nothing where the addon was not preloaded, for V8 would die of it', () => {
    guard();
    startAnew();
    native.hasPreload = false;
    expect(refusal().message).toMatch(/did not preload "\/mock\/nbd_kernel\.node".*getcap/);
    expect(native.isLocked).toBe(false);
  });

  it('is refused when its memory cannot be locked', () => {
    guard();
    startAnew();
    native.lockMemory = () => {
      throw new Error('mlockall: Cannot allocate memory');
    };
    expect(refusal().message).toMatch(/mlockall.*CAP_IPC_LOCK.*LimitMEMLOCK=infinity/);
  });

  it('keeps what it writes down for a successor in memory, and nothing else', () => {
    native.files.add('/run/oxmem/nbd0.witness').add('/run/oxmem/nbd7.witness');
    pinWitnesses('/run/oxmem', ['/dev/nbd0', '/dev/nbd1', 'unix:/tmp/s'], native);
    expect(native.pinned).toEqual(['/run/oxmem/nbd0.witness']);
    native.pinFile = () => {
      throw new Error('mlock: Cannot allocate memory');
    };
    expect(() => pinWitnesses('/run/oxmem', ['/dev/nbd0'], native)).toThrow(
      '--swap: /run/oxmem/nbd0.witness cannot be locked in memory (mlock: ',
    );
  });

  it('is refused when the kernel may end it first', () => {
    guard();
    startAnew();
    oomScore.write = () => {
      throw Object.assign(new Error('no'), { code: 'EACCES' });
    };
    expect(refusal().message).toMatch(/oom_score_adj.*EACCES.*OOMScoreAdjust=-1000/);
    expect(native.isLocked).toBe(false);
  });
});
