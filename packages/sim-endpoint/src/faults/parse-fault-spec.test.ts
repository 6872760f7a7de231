import { directionFaults } from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';
import { NO_FAULT_SETTINGS, hasFrameFaults, type FrameFaults } from './fault-settings.ts';
import { formatFaultSpecs, parseFaultSpec, parseFaultSpecs } from './parse-fault-spec.ts';

const NO_STALL = { chance: 0, durationMicros: 100_000 };

function frameFaults(wire: Parameters<typeof directionFaults>[0], stall = NO_STALL): FrameFaults {
  return { wire: directionFaults({ delayMicros: 0, reorderDepthFrames: 3, ...wire }), stall };
}

describe('parseFaultSpec', () => {
  it.each([
    ['loss=1%', frameFaults({ loss: 0.01 })],
    ['loss=0.25', frameFaults({ loss: 0.25 })],
    ['dup=2%', frameFaults({ duplicate: 0.02 })],
    ['corrupt=1e-6', frameFaults({ corrupt: 1e-6 })],
    ['reorder=5%', frameFaults({ reorder: 0.05 })],
    ['reorder=5%/8', frameFaults({ reorder: 0.05, reorderDepthFrames: 8 })],
    ['delay=2ms', frameFaults({ delayMicros: 2000 })],
    ['delay=2ms±1ms', frameFaults({ delayMicros: 1000, jitterMicros: 2000 })],
    ['delay=2ms+-1ms', frameFaults({ delayMicros: 1000, jitterMicros: 2000 })],
    ['stall=0.1%', frameFaults({}, { chance: 0.001, durationMicros: 100_000 })],
    ['stall=0.1%/2s', frameFaults({}, { chance: 0.001, durationMicros: 2_000_000 })],
    ['loss=1%,dup=2%', frameFaults({ loss: 0.01, duplicate: 0.02 })],
    ['loss=1%,loss=0', frameFaults({})],
  ])('reads %s, for one direction or both', (text, faults) => {
    const { rx, tx } = NO_FAULT_SETTINGS;
    expect(parseFaultSpec(text)).toEqual({
      ok: true,
      settings: { ...NO_FAULT_SETTINGS, rx: faults, tx: faults },
    });
    expect(parseFaultSpec(`rx:${text}`)).toEqual({
      ok: true,
      settings: { ...NO_FAULT_SETTINGS, rx: faults, tx },
    });
    expect(parseFaultSpec(`tx:${text}`)).toEqual({
      ok: true,
      settings: { ...NO_FAULT_SETTINGS, rx, tx: faults },
    });
  });

  it('reads the chance that a request is denied', () => {
    const result = parseFaultSpec('deny=10%');
    expect(result).toEqual({ ok: true, settings: { ...NO_FAULT_SETTINGS, denyChance: 0.1 } });
  });

  it('reads the chance that an answer is marked corrupt', () => {
    const result = parseFaultSpec('spoil=10%');
    expect(result).toEqual({ ok: true, settings: { ...NO_FAULT_SETTINGS, spoilChance: 0.1 } });
  });

  it('reads habits, each once, the last word being the last', () => {
    const result = parseFaultSpecs(['habit=leak', 'habit=no-nak,habit=leak']);
    const habits = ['no-nak', 'leak'];
    expect(result).toEqual({ ok: true, settings: { ...NO_FAULT_SETTINGS, habits } });
  });

  it.each([
    ['', '"" is not one of'],
    ['loss', '"loss" is not of the form loss=PROBABILITY'],
    ['loss=', 'is not of the form'],
    ['loss=2', 'is not of the form'],
    ['loss=101%', 'is not of the form'],
    ['loss=-1%', 'is not of the form'],
    ['loss=1%,', '"" is not one of'],
    ['lost=1%', '"lost" is not one of loss, dup'],
    ['constructor=1', 'is not one of'],
    ['up:loss=1%', 'is not one of'],
    ['reorder=1%/0', 'is not of the form'],
    ['reorder=1%/65', 'is not of the form'],
    ['reorder=1%/2/3', 'is not of the form'],
    ['delay=5', 'is not of the form delay=DURATION'],
    ['delay=1ms±2ms', 'is not of the form'],
    ['delay=1ms±', 'is not of the form'],
    ['delay=100000m', 'is not of the form'],
    ['stall=1%/x', 'is not of the form stall='],
    ['deny=x', 'has no probability'],
    ['rx:deny=1%', 'deny has no direction'],
    ['tx:habit=leak', 'habit has no direction'],
    ['habit=none', '"none" is not one of no-nak, no-dup-ack'],
    ['habit=constructor', 'is not one of'],
    ['loss=1%,rx:dup=1%', 'is not one of'],
  ])('says what is wrong with "%s"', (text, reason) => {
    const result = parseFaultSpec(text);
    expect(result.ok).toBe(false);
    if (!result.ok) expect(result.reason).toContain(reason);
  });
});

describe('parseFaultSpecs', () => {
  it('adds one text to the other, the later word counting', () => {
    const result = parseFaultSpecs(['loss=1%,dup=1%', 'rx:loss=2%', 'deny=1%']);
    expect(result).toEqual({
      ok: true,
      settings: {
        rx: frameFaults({ loss: 0.02, duplicate: 0.01 }),
        tx: frameFaults({ loss: 0.01, duplicate: 0.01 }),
        denyChance: 0.01,
        spoilChance: 0,
        habits: [],
      },
    });
  });

  it('reads no text as no faults', () => {
    expect(parseFaultSpecs([])).toEqual({ ok: true, settings: NO_FAULT_SETTINGS });
    expect(hasFrameFaults(NO_FAULT_SETTINGS.rx)).toBe(false);
    expect(formatFaultSpecs(NO_FAULT_SETTINGS)).toEqual([]);
  });

  it('stops at the first text that is wrong', () => {
    expect(parseFaultSpecs(['loss=1%', 'x=1', 'y=1'])).toMatchObject({ ok: false });
  });
});
