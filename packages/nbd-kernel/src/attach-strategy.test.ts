import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { CHOICE_TABLE, FAILURE_TABLE, RETRY_DELAYS_MILLIS } from './attach-strategy.ts';
import { chooseWay, stepAfter } from './attach-strategy.ts';
import type { AttachRequest } from './attach-strategy.ts';

const { EBUSY, EINVAL, EPERM } = constants.errno;

describe('chooseWay', () => {
  const cases: [AttachRequest, boolean, string | undefined][] = [
    ['auto', true, 'netlink'],
    ['auto', false, 'ioctl'],
    ['netlink', true, 'netlink'],
    ['netlink', false, undefined],
    ['ioctl', true, 'ioctl'],
    ['ioctl', false, 'ioctl'],
  ];
  for (const [request, hasNetlink, way] of cases) {
    test(`${request}, netlink ${hasNetlink ? 'there' : 'missing'}: ${way ?? 'none'}`, () => {
      expect(chooseWay(request, hasNetlink).way).toBe(way);
    });
  }

  test('every row has a reason and is reached', () => {
    const reached = cases.map(([request, hasNetlink]) => chooseWay(request, hasNetlink).reason);
    for (const { reason } of CHOICE_TABLE) expect(reached).toContain(reason);
  });
});

describe('stepAfter', () => {
  test('waits for a named device that nobody really uses', () => {
    expect(stepAfter(EBUSY, true, false)).toBe('retry');
  });

  test('does not wait for a named device that is taken', () => {
    expect(stepAfter(EBUSY, true, true)).toBe('giveUp');
  });

  test('goes on to the next when any device will do', () => {
    expect([stepAfter(EBUSY, false, false), stepAfter(EBUSY, false, true)]).toEqual([
      'next',
      'next',
    ]);
  });

  test('gives up on everything else', () => {
    for (const errno of [EPERM, EINVAL, 0]) {
      for (const isFixed of [true, false]) expect(stepAfter(errno, isFixed, false)).toBe('giveUp');
    }
  });

  test('says why, in every row, and has no two rows for one case', () => {
    const keys = FAILURE_TABLE.map((row) => `${row.errno} ${row.isFixed} ${row.isTaken}`);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { reason } of FAILURE_TABLE) expect(reason.length).toBeGreaterThan(10);
  });

  test('waits a few seconds in all, longer each time', () => {
    const total = RETRY_DELAYS_MILLIS.reduce((sum, millis) => sum + millis, 0);
    expect(total).toBeGreaterThanOrEqual(2000);
    expect(total).toBeLessThanOrEqual(5000);
    expect(RETRY_DELAYS_MILLIS).toEqual(RETRY_DELAYS_MILLIS.toSorted((a, b) => a - b));
  });
});
