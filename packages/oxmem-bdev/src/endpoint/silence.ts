import { interfaceInfo, type NativeBinding, type RawSocket } from '@oxmem/rawsock';
import type { Micros, RemoteMemory } from '@oxmem/tloe-protocol';
import { formatDuration, formatMac } from '@oxmem/tloe-protocol/text';

/** What is known about an endpoint that did not open the connection. */
export interface SilenceFacts {
  readonly netdev: string;
  readonly ownMac: Uint8Array;
  readonly peerMac: Uint8Array;
  readonly timeoutMicros: Micros;
  /** Of the interface, now; undefined: it is gone. */
  readonly interface: { readonly isUp: boolean; readonly hasCarrier: boolean } | undefined;
  /** Frames that left, those that the interface could not carry not counted. */
  readonly framesSent: number;
  readonly framesHeard: number;
  /** Of them, those that the endpoint sent in good order. */
  readonly framesFromPeer: number;
  /** Source addresses of other OmniXtend frames that were heard; our own shows a loop. */
  readonly foreignMacs: readonly Uint8Array[];
}

/** Collects the facts of an opening that timed out. */
export function silenceFacts(
  given: Pick<SilenceFacts, 'netdev' | 'peerMac' | 'timeoutMicros'>,
  memory: Pick<RemoteMemory, 'host' | 'link'>,
  socket: RawSocket,
  binding?: NativeBinding,
): SilenceFacts {
  const { stats } = memory.host;
  return {
    ...given,
    ownMac: socket.ownMac,
    interface: interfaceInfo(given.netdev, binding),
    framesSent: Math.max(0, stats.framesSent - socket.counters().sendErrors),
    framesHeard: stats.framesReceived,
    framesFromPeer: memory.link.stats.framesReceived,
    foreignMacs: stats.foreignSources,
  };
}

/** Why nobody answered, as far as we can tell, in one sentence with what to do about it. */
export function describeSilence(facts: SilenceFacts): string {
  const { netdev, framesSent, framesHeard } = facts;
  const peer = formatMac(facts.peerMac);
  const waited = formatDuration(facts.timeoutMicros);
  const state = describeInterface(facts);
  return (
    `No endpoint answers at ${peer} via ${netdev} within ${waited}: ${netdev} ` +
    `(${formatMac(facts.ownMac)}) ${state}, ${count(framesSent)} sent, ` +
    `${count(framesHeard)} heard; ${describeCause(facts)}`
  );
}

function describeInterface({ interface: now }: SilenceFacts): string {
  if (now === undefined) return 'is gone';
  if (!now.isUp) return 'is down';
  return now.hasCarrier ? 'is up with carrier' : 'is up without carrier';
}

function describeCause(facts: SilenceFacts): string {
  const { netdev } = facts;
  if (facts.interface === undefined) return 'bring the interface back.';
  if (!facts.interface.isUp) return `switch it on with \`sudo ip link set ${netdev} up\`.`;
  if (!facts.interface.hasCarrier) return 'plug in the cable, or switch its other end on.';
  if (isSame(facts.peerMac, facts.ownMac)) {
    return `--mac is the address of ${netdev} itself; give the endpoint's.`;
  }
  if (facts.framesFromPeer > 0) {
    return (
      'it sends, but does not open the connection: it may hold an older session, or serve others ' +
      'already; wait a little or restart it.'
    );
  }
  const others = facts.foreignMacs.filter((mac) => !isSame(mac, facts.ownMac)).map(formatMac);
  if (others.length > 0) {
    return `heard OmniXtend frames from ${others.join(', ')}: is that the endpoint?`;
  }
  if (facts.foreignMacs.length > 0) {
    return 'our own frames came back: the network has a loop, and nobody at that address.';
  }
  return `check that the endpoint runs, that --mac is its address, and that ${netdev} leads to it.`;
}

function count(frames: number): string {
  return frames === 1 ? '1 frame' : `${frames} frames`;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}
