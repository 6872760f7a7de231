import { describe, expect, it } from 'vitest';

import {
  formatAddress,
  formatDuration,
  formatMac,
  formatProbability,
  formatSize,
  isMulticastMac,
  parseAddress,
  parseDuration,
  parseInteger,
  parseMac,
  parseProbability,
  parseSeconds,
  parseSize,
} from './index.ts';

const GARBAGE = [
  '',
  ' ',
  '-',
  'x',
  '0x',
  '%',
  '1 ',
  ' 1',
  '1\n',
  '１',
  'NaN',
  'Infinity',
  '1e',
  '1,5',
];

describe('parseSize', () => {
  it.each([
    ['0', 0],
    ['512', 512],
    ['512B', 512],
    ['2048K', 2048 * 1024],
    ['1024M', 2 ** 30],
    ['8G', 8 * 2 ** 30],
    ['8GiB', 8 * 2 ** 30],
    ['8gb', 8 * 2 ** 30],
    ['1tib', 2 ** 40],
    ['8191T', 8191 * 2 ** 40],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('reads %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each([...GARBAGE, '-1', '+1', '1.5G', '8 G', '8P', '8iB', '8GG', '0x10', '1e3', '8192T'])(
    'refuses %j',
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );
});

describe('formatSize', () => {
  it('takes the largest unit that divides the number', () => {
    expect([0, 1000, 1024, 1536 * 2 ** 20, 8 * 2 ** 30, 2 ** 50].map(formatSize)).toEqual([
      '0B',
      '1000B',
      '1KiB',
      '1536MiB',
      '8GiB',
      '1024TiB',
    ]);
  });
});

describe('parseSeconds', () => {
  it.each([
    ['0', 0],
    ['2', 2_000_000],
    ['0.5', 500_000],
    ['0.000001', 1],
    ['200ms', 200_000],
    ['2m', 120_000_000],
  ])('reads %s', (text, micros) => {
    expect(parseSeconds(text)).toBe(micros);
  });

  it.each([...GARBAGE, '-1', '+1', '1e3', '.5', '1.', '0.0000001', '1234567890', '0.5ms'])(
    'refuses %j',
    (text) => {
      expect(parseSeconds(text)).toBeUndefined();
    },
  );
});

describe('parseAddress', () => {
  it.each([
    ['0', 0, 0],
    ['0x0', 0, 0],
    ['10', 0, 16],
    ['0X1fFFFFFFF', 1, 0xffffffff],
    ['8000000000000000', 0x80000000, 0],
    ['0x00000000ffffffffffffffff', 0xffffffff, 0xffffffff],
  ])('reads %s', (text, high, low) => {
    expect(parseAddress(text)).toEqual({ high, low });
  });

  it.each([...GARBAGE.filter((text) => text !== '1e'), '0x10000000000000000', '0xg', '-1', '1_0'])(
    'refuses %j',
    (text) => {
      expect(parseAddress(text)).toBeUndefined();
    },
  );
});

describe('formatAddress', () => {
  it('writes lower case without leading zeros, and keeps the zeros inside', () => {
    expect(formatAddress({ high: 0, low: 0 })).toBe('0x0');
    expect(formatAddress({ high: 0, low: 0xabcdef })).toBe('0xabcdef');
    expect(formatAddress({ high: 0x80000000, low: 1 })).toBe('0x8000000000000001');
    expect(formatAddress({ high: 1, low: 0 })).toBe('0x100000000');
  });
});

describe('parseMac', () => {
  it('reads pairs joined by colons or by hyphens, in either case', () => {
    const mac = Uint8Array.of(0x04, 0x00, 0xaf, 0x12, 0xff, 0x0e);
    expect(parseMac('04:00:af:12:FF:0e')).toEqual(mac);
    expect(parseMac('04-00-AF-12-ff-0E')).toEqual(mac);
  });

  it.each([
    ...GARBAGE,
    '04:00:af:12:ff',
    '04:00:af:12:ff:0e:01',
    '04:00:af:12:ff:0',
    '04:00-af:12:ff:0e',
    '0400af12ff0e',
    '04:00:af:12:ff:0g',
    ' 04:00:af:12:ff:0e',
  ])('refuses %j', (text) => {
    expect(parseMac(text)).toBeUndefined();
  });

  it('is undone by formatMac', () => {
    expect(formatMac(Uint8Array.of(0, 1, 0xaa, 0xff, 9, 0x10))).toBe('00:01:aa:ff:09:10');
  });
});

describe('isMulticastMac', () => {
  it('goes by the lowest bit of the first byte', () => {
    expect(isMulticastMac(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff))).toBe(true);
    expect(isMulticastMac(Uint8Array.of(1, 0, 0x5e, 0, 0, 1))).toBe(true);
    expect(isMulticastMac(Uint8Array.of(2, 1, 1, 1, 1, 1))).toBe(false);
  });
});

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['0s', 0],
    ['100us', 100],
    ['500ms', 500_000],
    ['1s', 1_000_000],
    ['2m', 120_000_000],
  ])('reads %s', (text, micros) => {
    expect(parseDuration(text)).toBe(micros);
  });

  it.each([...GARBAGE, '1', '00', '-1s', '1.5s', '1h', '1 s', '1S', '999999999999999m'])(
    'refuses %j',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );
});

describe('formatDuration', () => {
  it('takes the largest unit that divides the number', () => {
    expect([0, 1, 1500, 20_000, 90_000_000, 120_000_000].map(formatDuration)).toEqual([
      '0',
      '1us',
      '1500us',
      '20ms',
      '90s',
      '2m',
    ]);
  });
});

describe('parseInteger', () => {
  it('reads what lies within the bounds, both included', () => {
    expect(parseInteger('512', { min: 512, max: 4096 })).toBe(512);
    expect(parseInteger('4096', { min: 512, max: 4096 })).toBe(4096);
    expect(parseInteger('511', { min: 512, max: 4096 })).toBeUndefined();
    expect(parseInteger('4097', { min: 512, max: 4096 })).toBeUndefined();
    expect(parseInteger('-3', { min: -5, max: 5 })).toBe(-3);
    expect(parseInteger('-0', { min: 0, max: 5 })).toBe(0);
  });

  it.each([...GARBAGE, '1.0', '0x10', '1e3', '+1', '--1', '9007199254740993'])(
    'refuses %j',
    (text) => {
      expect(parseInteger(text, { min: -Infinity, max: Infinity })).toBeUndefined();
    },
  );
});

describe('parseProbability', () => {
  it.each([
    ['0', 0],
    ['1', 1],
    ['0.01', 0.01],
    ['1%', 0.01],
    ['0.5%', 0.005],
    ['100%', 1],
    ['1e-7', 1e-7],
  ])('reads %s', (text, probability) => {
    expect(parseProbability(text)).toBe(probability);
  });

  it.each([...GARBAGE, '1.1', '101%', '-0.1', '.5', '1.', '1%%', '1 %', '1e400'])(
    'refuses %j',
    (text) => {
      expect(parseProbability(text)).toBeUndefined();
    },
  );

  it('is written in percent where that reads back as the same number', () => {
    expect([0, 0.01, 0.005, 1, 0.07].map(formatProbability)).toEqual([
      '0%',
      '1%',
      '0.5%',
      '100%',
      '7%',
    ]);
  });
});
