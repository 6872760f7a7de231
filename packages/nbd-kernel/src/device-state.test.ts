import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { DEVICE_TRANSITIONS, endOf } from './device-state.ts';
import type { EndNotes, EndReason } from './device-state.ts';

const { EINTR, EBUSY, EINVAL } = constants.errno;
const NOTHING: EndNotes = {
  wasDetachAsked: false,
  wasDisconnectSeen: false,
  wasStreamClosed: false,
  errno: 0,
};

describe('endOf', () => {
  const cases: [string, Partial<EndNotes>, EndReason][] = [
    ['nothing was noted', {}, 'connectionLost'],
    ['the server closed', { wasStreamClosed: true }, 'serverClosed'],
    ['DISC was seen', { wasDisconnectSeen: true, wasStreamClosed: true }, 'disconnectedElsewhere'],
    ['a signal came', { errno: EINTR }, 'interrupted'],
    ['the process was stopped', { errno: EBUSY }, 'stopped'],
    ['NBD_DO_IT was refused', { errno: EINVAL }, 'refused'],
    [
      'the owner asked',
      { wasDetachAsked: true, wasDisconnectSeen: true, errno: EINTR },
      'detached',
    ],
  ];
  for (const [name, notes, reason] of cases) {
    test(`${name}: ${reason}`, () => {
      const end = endOf({ ...NOTHING, ...notes });
      expect(end).toMatchObject({ reason, errno: notes.errno });
      expect(end.text).not.toBe('');
    });
  }
});

describe('DEVICE_TRANSITIONS', () => {
  test('every state is reached and leads to detached', () => {
    const leadsThere = new Set(['detached']);
    for (let i = 0; i < 5; i++) {
      for (const [state, events] of Object.entries(DEVICE_TRANSITIONS)) {
        if (Object.values(events).some((next) => leadsThere.has(next))) leadsThere.add(state);
      }
    }
    const reached = new Set(
      Object.values(DEVICE_TRANSITIONS).flatMap((each) => Object.values(each)),
    );
    expect(leadsThere).toEqual(new Set(Object.keys(DEVICE_TRANSITIONS)));
    expect(reached.add('attaching')).toEqual(leadsThere);
  });

  test('nothing leads back to serving but an attachment', () => {
    const events = Object.values(DEVICE_TRANSITIONS).flatMap((each) => Object.entries(each));
    expect(events.filter(([, next]) => next === 'serving').map(([event]) => event)).toEqual([
      'attached',
    ]);
  });

  test('a detached device stays detached', () => {
    expect(new Set(Object.values(DEVICE_TRANSITIONS.detached))).toEqual(new Set(['detached']));
  });
});
