import { beforeEach, describe, expect, it } from 'vitest';

import { NEVER } from '../units.ts';
import { AckPolicy } from './ack-policy.ts';
import { PEER_PROFILES, type PeerProfile } from './peer-profile.ts';
import { Timer, Timers } from './timers.ts';

const PROFILE: PeerProfile = { ...PEER_PROFILES.generic, ackEveryFrames: 3, ackDelayMicros: 50 };

let timers: Timers;
let policy: AckPolicy;

beforeEach(() => {
  timers = new Timers();
  policy = new AckPolicy(timers);
});

describe('an acknowledgement', () => {
  it('waits for company after a frame, but not for ever', () => {
    policy.accepted(100, PROFILE);
    expect(policy.isDue).toBe(false);
    expect(timers.earliest()).toBe(150);
    timers.clear(Timer.ackDelay);
    policy.delayPassed();
    expect(policy.isDue).toBe(true);
    expect(policy.isNak).toBe(false);
  });

  it('waits no longer because more frames arrive', () => {
    policy.accepted(100, PROFILE);
    policy.accepted(140, PROFILE);
    expect(timers.earliest()).toBe(150);
  });

  it('is due after so many frames', () => {
    policy.accepted(100, PROFILE);
    policy.accepted(101, PROFILE);
    expect(policy.isDue).toBe(false);
    policy.accepted(102, PROFILE);
    expect(policy.isDue).toBe(true);
  });

  it('rides on a numbered frame for free, and then nothing waits any more', () => {
    policy.accepted(100, PROFILE);
    policy.sent(false);
    expect(policy.isDue).toBe(false);
    expect(timers.earliest()).toBe(NEVER);
    policy.delayPassed();
    expect(policy.isDue).toBe(false);
    policy.accepted(200, PROFILE);
    policy.accepted(201, PROFILE);
    expect(policy.isDue, 'the count begins anew').toBe(false);
  });

  it('is repeated at once when the peer shows that it does not know', () => {
    policy.repeat();
    expect(policy.isDue).toBe(true);
    expect(policy.isNak).toBe(false);
  });

  it('is not due when nothing was received that needs one', () => {
    policy.delayPassed();
    expect(policy.isDue).toBe(false);
  });
});

describe('a gap', () => {
  it('is reported by one NAK, however many frames follow', () => {
    policy.gap(100, 7, 1_000);
    expect(policy.isNak).toBe(true);
    expect(policy.isDue).toBe(true);
    policy.sent(true);
    for (let now = 101; now < 1_100; now += 100) policy.gap(now, 7, 1_000);
    expect(policy.isNak).toBe(false);
    expect(policy.isDue).toBe(false);
  });

  it('is reported again when it stays', () => {
    policy.gap(100, 7, 1_000);
    policy.sent(true);
    policy.gap(1_099, 7, 1_000);
    expect(policy.isNak).toBe(false);
    policy.gap(1_100, 7, 1_000);
    expect(policy.isNak).toBe(true);
  });

  it('at another place is reported at once', () => {
    policy.gap(100, 7, 1_000);
    policy.sent(true);
    policy.gap(101, 9, 1_000);
    expect(policy.isNak).toBe(true);
  });

  it('is still to be reported after a numbered frame left, which can only say ACK', () => {
    policy.gap(100, 7, 1_000);
    policy.sent(false);
    expect(policy.isDue).toBe(true);
    expect(policy.isNak).toBe(true);
    policy.sent(true);
    expect(policy.isDue).toBe(false);
  });

  it('that is filled is worth an acknowledgement at once, and no NAK any more', () => {
    policy.gap(100, 7, 1_000);
    policy.gapFilled();
    expect([policy.isDue, policy.isNak]).toEqual([true, false]);
    policy.sent(true);
    policy.gapFilled();
    expect(policy.isDue, 'there was no gap').toBe(false);
    policy.gap(101, 7, 1_000);
    expect(policy.isNak).toBe(true);
  });

  it('is forgotten with the connection', () => {
    policy.gap(100, 7, 1_000);
    policy.accepted(100, PROFILE);
    policy.reset();
    expect(policy.isDue).toBe(false);
    expect(policy.isNak).toBe(false);
    policy.delayPassed();
    expect(policy.isDue).toBe(false);
    policy.gap(101, 7, 1_000);
    expect(policy.isNak).toBe(true);
  });
});
