import { MockProcess } from '@oxmem/nbd-kernel/mock';
import { MILLISECOND, SECOND } from '@oxmem/tloe-protocol';
import { VirtualClock } from '@oxmem/tloe-protocol/testing';
import { beforeEach, describe, expect, it } from 'vitest';

import { createLogger } from '../observe/logger.ts';
import { ServiceManager } from './service-manager.ts';

const ADDRESS = '/run/systemd/notify';

describe('what the service manager is told', () => {
  let clock: VirtualClock;
  let native: MockProcess;
  let logged: string[];
  let received: string[];

  beforeEach(() => {
    clock = new VirtualClock();
    native = new MockProcess();
    logged = [];
    received = [];
    native.receivers.set(ADDRESS, received);
  });

  function listening(more: NodeJS.ProcessEnv = {}): ServiceManager {
    const logger = createLogger('info', 'json', { write: (line) => logged.push(line) });
    const environment = { NOTIFY_SOCKET: ADDRESS, ...more };
    return new ServiceManager({ clock, logger, environment, native });
  }

  it('is nothing where nobody asked', () => {
    const silent = listening({ NOTIFY_SOCKET: undefined, WATCHDOG_USEC: '1000' });
    silent.ready('x');
    silent.stopping();
    silent.waitsFor('y');
    clock.advanceBy(SECOND);
    silent.close();
    expect({ received, logged }).toEqual({ received: [], logged: [] });
  });

  it('is the start, the wait for users and the end', () => {
    const manager = listening();
    manager.ready('/dev/nbd0 on 04:00:00:00:00:01');
    manager.stopping();
    manager.waitsFor('/dev/nbd0: mounted on /mnt');
    expect(received).toEqual([
      'READY=1\nSTATUS=/dev/nbd0 on 04:00:00:00:00:01',
      'STOPPING=1\nSTATUS=stops',
      'EXTEND_TIMEOUT_USEC=30000000\nSTATUS=stops as soon as nobody uses /dev/nbd0: mounted on /mnt',
    ]);
  });

  it('asks for more time as often as it takes, and no more often', () => {
    const manager = listening();
    for (let i = 0; i < 100; i++) {
      manager.waitsFor('/dev/nbd0');
      clock.advanceBy(250 * MILLISECOND);
    }
    // 25 s, one in 5.
    expect(received).toHaveLength(5);
  });

  it('shows life twice as often as asked for, from ready to the end', () => {
    const manager = listening({ WATCHDOG_USEC: '10000000' });
    clock.advanceBy(60 * SECOND);
    expect(received).toEqual([]);
    manager.ready('x');
    clock.advanceBy(20 * SECOND);
    expect(received.slice(1)).toEqual(['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1']);
    manager.close();
    clock.advanceBy(20 * SECOND);
    expect(received).toHaveLength(5);
  });

  it.each([
    { WATCHDOG_USEC: '10000000', WATCHDOG_PID: `${process.pid + 1}` },
    { WATCHDOG_USEC: '' },
    { WATCHDOG_USEC: '0' },
    { WATCHDOG_USEC: 'soon' },
    { WATCHDOG_USEC: '-5' },
  ])('shows no life where another process is meant or no time is given: %o', (given) => {
    listening(given).ready('x');
    clock.advanceBy(100 * SECOND);
    expect(received).toHaveLength(1);
  });

  it('shows life when this process is meant', () => {
    listening({ WATCHDOG_USEC: '2000000', WATCHDOG_PID: `${process.pid}` }).ready('x');
    clock.advanceBy(SECOND);
    expect(received).toHaveLength(2);
  });

  it('waits in order for room, and piles up no signs of life meanwhile', () => {
    const manager = listening({ WATCHDOG_USEC: '2000000' });
    native.queueLength = 0;
    manager.ready('x');
    clock.advanceBy(10 * SECOND);
    expect(received).toEqual([]);
    manager.stopping();
    native.queueLength = 100;
    clock.advanceBy(60 * MILLISECOND);
    expect(received).toEqual(['READY=1\nSTATUS=x', 'STOPPING=1\nSTATUS=stops']);
  });

  it('says once when nobody receives, and goes on', () => {
    native.receivers.clear();
    const manager = listening({ WATCHDOG_USEC: '2000000' });
    manager.ready('x');
    clock.advanceBy(10 * SECOND);
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain(`${ADDRESS} cannot be told anything: sendto: ENOENT`);
  });

  it('cannot be made to say something else by a name with a line break', () => {
    listening().waitsFor('/mnt/a\nMAINPID=1');
    expect(received[0]?.split('\n').slice(1)).toEqual([
      'STATUS=stops as soon as nobody uses /mnt/a MAINPID=1',
    ]);
  });
});
