import { Channel } from '../wire/channel.ts';
import type { OpeningFrames } from './opening-frames.ts';
import {
  INITIATOR_PROFILES,
  PEER_PROFILES,
  type InitiatorProfileName,
  type PeerProfile,
  type PeerProfileName,
} from './peer-profile.ts';

/** How a responder answers an opening. */
export interface ResponderSign {
  readonly profile: PeerProfileName;
  /**
   * What its first frames grant, by number: channel and log2 of the flits, `*` for any of at least
   * 8 but 10.
   */
  readonly grants: readonly string[];
  /** Further frames grant what the last of these does; otherwise they say nothing. */
  readonly goesOn: boolean;
  /** Whether it ever sends an AckOnly. */
  readonly sendsAckOnly: boolean;
}

/** The known responders by what they grant. Of several that fit, the first is the safest guess. */
export const RESPONDER_SIGNS: readonly ResponderSign[] = [
  {
    profile: 'etri',
    grants: ['A10', 'B10', 'C10', 'D10', 'E10'],
    goesOn: false,
    sendsAckOnly: true,
  },
  { profile: 'wdhw', grants: ['A10', 'C10', 'E10'], goesOn: false, sendsAckOnly: true },
  { profile: 'memnode', grants: ['A10'], goesOn: true, sendsAckOnly: false },
  { profile: 'oxmem', grants: ['A*', 'B*', 'C*', 'D*', 'E*'], goesOn: false, sendsAckOnly: true },
];

/** What is known of a responder so far. */
export type Recognition =
  /** Nobody else answers like this. */
  | { readonly kind: 'known'; readonly sign: ResponderSign; readonly profile: PeerProfile }
  /** Several do; `profile` is the one that hurts none of them. */
  | { readonly kind: 'unclear'; readonly safest: ResponderSign; readonly profile: PeerProfile }
  /** Nobody known does. */
  | { readonly kind: 'unknown'; readonly profile: PeerProfile };

/** Recognises a responder by what it has sent since our Open. */
export function recogniseResponder(heard: OpeningFrames): Recognition {
  const fitting = RESPONDER_SIGNS.filter((sign) => fits(sign, heard));
  const [sign] = fitting;
  if (sign === undefined) return { kind: 'unknown', profile: PEER_PROFILES.generic };
  const profile = PEER_PROFILES[sign.profile];
  if (fitting.length > 1) return { kind: 'unclear', safest: sign, profile };
  return { kind: 'known', sign, profile };
}

function fits(sign: ResponderSign, heard: OpeningFrames): boolean {
  if (heard.hasAckOnly && !sign.sendsAckOnly) return false;
  return heard.everyFrame((place, channel, exponent) => {
    const last = sign.grants.length - 1;
    // Behind its grants nobody has anything to return yet.
    if (place > last && !sign.goesOn) return channel === 0;
    return isMatch(sign.grants[Math.min(place, last)] ?? '', channel, exponent);
  });
}

function isMatch(grant: string, channel: number, exponent: number): boolean {
  if (CHANNEL_LETTERS[channel] !== grant[0]) return false;
  const log2 = grant.slice(1);
  return log2 === '*' ? exponent >= 8 && exponent !== 10 : exponent === Number(log2);
}

const CHANNEL_LETTERS = ['', 'A', 'B', 'C', 'D', 'E'];

/** Channel and log2 flits of a grant such as `A10`; undefined if the amount is open. */
export function grantOf(grant: string): { channel: number; exponent: number } | undefined {
  const exponent = Number(grant.slice(1));
  if (!Number.isInteger(exponent)) return undefined;
  return { channel: CHANNEL_LETTERS.indexOf(grant[0] ?? ''), exponent };
}

/** How an initiator opens: its Open, and the frame behind it. */
export interface InitiatorSign {
  readonly profile: InitiatorProfileName;
  /** Grants of the two frames. */
  readonly grants: readonly [string, string];
  /** The ack bit of the Open. */
  readonly ack: 0 | 1;
}

/** The known initiators; everybody else is `generic`. */
export const INITIATOR_SIGNS: readonly InitiatorSign[] = [
  { profile: 'nbd', grants: ['A20', 'D20'], ack: 0 },
  { profile: 'fuse', grants: ['A28', 'D28'], ack: 0 },
  { profile: 'wdrs', grants: ['A28', 'B28'], ack: 0 },
  { profile: 'etri-master', grants: ['A10', 'B10'], ack: 1 },
];

/** Recognises an initiator by its first frames; undefined while several open like this. */
export function recogniseInitiator(heard: OpeningFrames): PeerProfile | undefined {
  const [sign, ...others] = INITIATOR_SIGNS.filter(
    ({ grants, ack }) =>
      ack === heard.firstAck &&
      heard.everyFrame((place, channel, exponent) => {
        const grant = grants[place];
        return grant === undefined || isMatch(grant, channel, exponent);
      }),
  );
  return others.length > 0 ? undefined : INITIATOR_PROFILES[sign?.profile ?? 'generic'];
}

/** Whether the peer has granted on every channel. */
export function grantsAll(heard: OpeningFrames): boolean {
  const granted = new Set<number>();
  heard.everyFrame((_place, channel) => {
    granted.add(channel);
    return true;
  });
  return [Channel.A, Channel.B, Channel.C, Channel.D, Channel.E].every((it) => granted.has(it));
}
