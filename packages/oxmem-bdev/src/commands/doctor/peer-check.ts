import { randomInt } from 'node:crypto';

import type { NativeBinding, RawSocket } from '@oxmem/rawsock';
import {
  DEFAULT_REISSUE_POLICY,
  MemoryStatus,
  RemoteMemory,
  readMemory,
  type Clock,
  type Micros,
  type PeerProfile,
  type RemoteMemoryConfig,
} from '@oxmem/tloe-protocol';
import { formatAddress, formatDuration, formatMac } from '@oxmem/tloe-protocol/text';

import { ExitCode } from '../../cli/exit-codes.ts';
import { textOf } from '../../device/nbd-errno.ts';
import type { claimEndpoint } from '../../endpoint/claim.ts';
import { openRawTransport } from '../../endpoint/raw-transport.ts';
import { describeSilence, silenceFacts } from '../../endpoint/silence.ts';
import { DriverError } from '../../errors.ts';
import { fail, ok, warn, type Check } from './check.ts';
import type { DoctorOptions } from './options.ts';

/** The endpoint to be asked. */
export type PeerQuestion = Pick<DoctorOptions, 'base' | 'openTimeout'> & {
  readonly netdev: string;
  readonly mac: Uint8Array;
};

/** What asking an endpoint needs. */
export interface PeerPorts {
  readonly clock: Clock;
  readonly claim: typeof claimEndpoint;
  /** The native addon unless given. */
  readonly binding?: NativeBinding | undefined;
}

/**
 * Opens a connection to the endpoint for a moment: opens, reads the same 8 bytes a few times, and
 * closes. Where a driver of this machine talks to the endpoint it is left alone, for a second
 * connection from the same address would end the first.
 */
export async function checkPeer(question: PeerQuestion, ports: PeerPorts): Promise<Check> {
  const { netdev, mac } = question;
  try {
    await ports.claim(question);
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    return warn(
      `${formatMac(mac)} was not asked: an oxmem-bdev talks to it through ${netdev}`,
      'nothing is to be done; `oxmem-bdev status` shows it',
    );
  }
  try {
    return await ask(question, ports);
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    return failWith(thrown.exitCode, thrown.message);
  }
}

async function ask(question: PeerQuestion, { clock, binding }: PeerPorts): Promise<Check> {
  const { netdev, mac, openTimeout } = question;
  const socket: RawSocket = openRawTransport({ netdev, busyPoll: 0, window: 1 }, binding);
  const observer = { onLost: () => {}, onRecovered: () => {}, onEnded: () => {} };
  const memory = new RemoteMemory(configOf(question), { transport: socket, clock }, observer);
  try {
    const result = await memory.open(openTimeout);
    if (!result.isOpen) {
      const given = { netdev, peerMac: mac, timeoutMicros: openTimeout };
      const facts = silenceFacts(given, memory, socket, binding);
      return failWith(ExitCode.endpointSilent, describeSilence(facts));
    }
    socket.setPeerMac(mac);
    return await read(question, memory, result.profile, clock);
  } finally {
    await memory.close();
  }
}

async function read(
  { mac, base }: PeerQuestion,
  memory: RemoteMemory,
  { name, description }: PeerProfile,
  clock: Clock,
): Promise<Check> {
  const who = `${formatMac(mac)} answers, profile ${name} (${description})`;
  let shortest: Micros = Infinity;
  for (let i = 0; i < READS; i++) {
    const begun = clock.now();
    const { status } = await readMemory(memory, 0, WORD);
    shortest = Math.min(shortest, clock.now() - begun);
    if (status === MemoryStatus.ok) continue;
    const what =
      `${who}, but a read of ${WORD} bytes at ${formatAddress(base)} failed, ` + textOf(status);
    if (status === MemoryStatus.denied) {
      return warn(what, 'give an address of its memory as --base');
    }
    return fail(ExitCode.endpointSilent, what, 'see whether the endpoint is well');
  }
  return ok(`${who}, round trip ${formatDuration(Math.round(shortest))}`);
}

/** A memory of one word. */
function configOf({ mac, base }: PeerQuestion): RemoteMemoryConfig {
  return {
    peerMac: mac,
    initiator: {
      base,
      sizeBytes: WORD,
      dataOrder: 'raw',
      window: 1,
      maxAccessLog2: 3,
      reissue: { ...DEFAULT_REISSUE_POLICY, whenLost: 'fail' },
      firstSource: randomInt(2 ** 26),
    },
  };
}

/** A sentence with its remedy in it, after the last semicolon, or the last colon. */
function failWith(exitCode: ExitCode, sentence: string): Check {
  const parts = /^(.*); (.*)$/.exec(sentence) ?? /^(.*): (.*)$/.exec(sentence);
  const [, what = sentence, remedy = 'see what it says'] = parts ?? [];
  return fail(exitCode, what, remedy.replace(/\.$/, ''));
}

const READS = 4;
const WORD = 8;
