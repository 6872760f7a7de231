import { describe, expect, it } from 'vitest';
import { CongestionWindow } from './congestion-window.ts';

describe('CongestionWindow', () => {
  it('begins with all that the retransmit buffer holds', () => {
    const window = new CongestionWindow(256);
    expect(window.room(0)).toBe(256);
    expect(window.room(200)).toBe(56);
    expect(window.room(300)).toBe(0);
  });

  it('halves what was on its way at a loss, down to eight frames', () => {
    const window = new CongestionWindow(256);
    window.lost(100);
    expect(window.room(0)).toBe(50);
    for (let i = 0; i < 10; i++) window.lost(100);
    expect(window.room(0)).toBe(8);
  });

  it('grows by a quarter of what arrives, and never beyond the buffer', () => {
    const window = new CongestionWindow(64);
    window.lost(40);
    window.acknowledged(20);
    expect(window.room(0)).toBe(25);
    window.acknowledged(1_000);
    expect(window.room(0)).toBe(64);
  });

  it('lets one frame ask after repeated silence, and eight go once it is answered', () => {
    const window = new CongestionWindow(256);
    window.timedOut(false);
    expect(window.room(0)).toBe(8);
    window.timedOut(true);
    expect(window.room(0)).toBe(1);
    expect(window.room(1)).toBe(0);
    window.acknowledged(1);
    expect(window.room(0)).toBe(8);
  });

  it('shrinks by half a frame for each that was lost, down to eight', () => {
    const window = new CongestionWindow(256);
    window.missed(156);
    expect(window.room(0)).toBe(178);
    window.missed(1000);
    expect(window.room(0)).toBe(8);
  });

  it('is hardly smaller where one frame in a hundred is lost', () => {
    const window = new CongestionWindow(256);
    for (let i = 0; i < 100; i++) {
      window.missed(1);
      window.acknowledged(99);
    }
    expect(window.room(0)).toBe(256);
  });

  it('grows slowly where a buffer was too small for it', () => {
    const window = new CongestionWindow(256);
    window.missed(56);
    window.acknowledged(160);
    expect(window.room(0)).toBe(238);
    window.reset();
    window.lost(64);
    window.acknowledged(32);
    expect(window.room(0)).toBe(40);
  });

  it('forgets losses when the connection starts anew', () => {
    const window = new CongestionWindow(32);
    window.timedOut(true);
    window.reset();
    expect(window.room(0)).toBe(32);
  });
});
