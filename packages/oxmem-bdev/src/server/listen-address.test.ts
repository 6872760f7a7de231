import { describe, expect, it } from 'vitest';

import { formatListenAddress, isOfThisMachine, parseListenAddress } from './listen-address.ts';

describe('a listen address', () => {
  it.each([
    'unix:/run/oxmem.sock',
    'unix:relative.sock',
    'unix:/with:colon',
    'tcp:127.0.0.1:0',
    'tcp:localhost:10809',
    'tcp:[::1]:10809',
    'tcp:[fe80::1%eth0]:65535',
  ])('%s is read and written alike', (text) => {
    const address = parseListenAddress(text);
    expect(address && formatListenAddress(address)).toBe(text);
  });

  it.each([
    '',
    'unix:',
    'unix:a\0b',
    'tcp:::1:10809',
    'tcp:[::1]',
    'tcp:host:-1',
    'tcp:host:99999',
    'tcp:host:1x',
    'udp:host:1',
    'host:1',
  ])('%j is refused', (text) => {
    expect(parseListenAddress(text)).toBeUndefined();
  });

  it.each([
    ['unix:/run/oxmem.sock', true],
    ['tcp:127.0.0.1:1', true],
    ['tcp:127.1.2.3:1', true],
    ['tcp:localhost:1', true],
    ['tcp:[::1]:1', true],
    ['tcp:0.0.0.0:1', false],
    ['tcp:[::]:1', false],
    ['tcp:127.example.org:1', false],
    ['tcp:10.0.0.1:1', false],
  ])('%s is for this machine only: %s', (text, expected) => {
    const address = parseListenAddress(text);
    expect(address && isOfThisMachine(address)).toBe(expected);
  });

  it('counts the bytes of a path, not its characters', () => {
    expect(parseListenAddress(`unix:${'x'.repeat(107)}`)).toBeDefined();
    expect(parseListenAddress(`unix:${'é'.repeat(54)}`)).toBeUndefined();
  });
});
