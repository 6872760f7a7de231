import { describe, expect, it } from 'vitest';

import { describeSilence, type SilenceFacts } from './silence.ts';

const OWN = Uint8Array.of(2, 0, 0, 0, 0, 1);
const PEER = Uint8Array.of(4, 0, 0, 0, 0, 1);
const OTHER = Uint8Array.of(4, 0x3f, 0, 0, 0, 9);

const FACTS: SilenceFacts = {
  netdev: 'eth0',
  ownMac: OWN,
  peerMac: PEER,
  timeoutMicros: 5_000_000,
  interface: { isUp: true, hasCarrier: true },
  framesSent: 12,
  framesHeard: 0,
  framesFromPeer: 0,
  foreignMacs: [],
};

describe('the sentence about a silent endpoint', () => {
  it('says who asked whom, over what, and what was sent and heard', () => {
    expect(describeSilence(FACTS)).toBe(
      'No endpoint answers at 04:00:00:00:00:01 via eth0 within 5s: eth0 (02:00:00:00:00:01) is ' +
        'up with carrier, 12 frames sent, 0 frames heard; check that the endpoint runs, that ' +
        '--mac is its address, and that eth0 leads to it.',
    );
  });

  const causes: readonly [string, Partial<SilenceFacts>, RegExp][] = [
    ['the interface is gone', { interface: undefined }, /eth0 .* is gone,.*bring.*back\.$/],
    [
      'the interface is down',
      { interface: { isUp: false, hasCarrier: false } },
      /is down,.*`sudo ip link set eth0 up`\.$/,
    ],
    [
      'there is no carrier',
      { interface: { isUp: true, hasCarrier: false } },
      /without carrier,.*cable/,
    ],
    ['the MAC is our own', { peerMac: OWN }, /--mac is the address of eth0 itself/],
    ['the endpoint sends and does not open', { framesFromPeer: 1 }, /older session.*restart it\.$/],
    [
      'somebody else speaks OmniXtend',
      { foreignMacs: [OWN, OTHER], framesHeard: 1 },
      /1 frame heard; heard OmniXtend frames from 04:3f:00:00:00:09: is that the endpoint\?$/,
    ],
    ['the network has a loop', { foreignMacs: [OWN] }, /our own frames came back/],
  ];
  it.each(causes)('names the cause when %s', (_, facts, sentence) => {
    expect(describeSilence({ ...FACTS, ...facts })).toMatch(sentence);
  });
});
