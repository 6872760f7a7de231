/** A bug that the simulation must find. */
export interface Mutation {
  /** Names it on the command line. */
  readonly name: string;
  /** What the bug is, for people. */
  readonly bug: string;
  /** The file that is changed, from the root of the repository. */
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Found at the latest by a seed from 1 up to this. */
  readonly withinSeeds: number;
}

const link = 'packages/tloe-protocol/src/link';
const tilelink = 'packages/tloe-protocol/src/tilelink';
const bdev = 'packages/oxmem-bdev/src';

/** The bugs, each as a small change of one place in the sources. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'drop-a-credit-return',
    bug: 'messages of one flit are never paid back',
    file: `${link}/link-receive.ts`,
    find: 'if (this.#receiver.onMessage(now, message)) this',
    replace: 'if (this.#receiver.onMessage(now, message) && flitCount > 1) this',
    withinSeeds: 40,
  },
  {
    name: 'count-a-credit-twice',
    bug: 'a grant of eight flits counts twice',
    file: `${link}/link-receive.ts`,
    find: 'if (channel !== 0 && channel <= Channel.E) this.#transmit.account.grant(channel, credit);',
    replace:
      'if (channel !== 0 && channel <= Channel.E) { this.#transmit.account.grant(channel, credit); ' +
      'if (credit === 3) this.#transmit.account.grant(channel, credit); }',
    withinSeeds: 40,
  },
  {
    name: 'accept-a-duplicate',
    bug: 'messages of a repeated frame are handed on once more',
    file: `${link}/link-receive.ts`,
    find: '      stats.duplicates++;\n',
    replace: '      stats.duplicates++;\n      this.#deliver(now, view);\n',
    withinSeeds: 40,
  },
  {
    name: 'deliver-out-of-order',
    bug: 'messages of a frame that came too early are handed on at once',
    file: `${link}/link-receive.ts`,
    find: '      stats.outOfOrder++;\n',
    replace: '      stats.outOfOrder++;\n      if (!isOpening) this.#deliver(now, view);\n',
    withinSeeds: 40,
  },
  {
    name: 'ack-too-far',
    bug: 'a NAK acknowledges the frame that it asks for',
    file: `${link}/link-transmit.ts`,
    find: 'packAcknowledgement(order.lastInOrder, 0)',
    replace: 'packAcknowledgement(order.expected, 0)',
    withinSeeds: 40,
  },
  {
    name: 'resend-with-a-stale-ack-bit',
    bug: 'numbered frames say NAK while a gap is being reported',
    file: `${link}/link-transmit.ts`,
    find: 'const ack = packAcknowledgement(order.lastInOrder, 1);',
    replace: 'const ack = packAcknowledgement(order.lastInOrder, acks.isNak ? 0 : 1);',
    withinSeeds: 40,
  },
  {
    name: 'resend-another-frame',
    bug: 'a new frame takes the slot of one that is not acknowledged',
    file: `${link}/link-transmit.ts`,
    find: 'return this.buffer.outstanding() + keptSlots < this.buffer.capacity;',
    replace: 'return this.buffer.outstanding() + keptSlots <= this.buffer.capacity + 1;',
    withinSeeds: 100,
  },
  {
    name: 'forget-a-range-lock',
    bug: 'accesses do not wait for an overlapping one that came before',
    file: `${tilelink}/range-lock.ts`,
    find: 'if (conflict(lock, other)) lock.blockers++;',
    replace: 'if (conflict(lock, other) && lock.start < 0) lock.blockers++;',
    withinSeeds: 100,
  },
  {
    name: 'release-a-range-early',
    bug: 'a write that was given up lets go of its range while it may still land',
    file: `${tilelink}/initiator.ts`,
    find: 'else if (!isWrite && !isMerged) this.#unlock(access);',
    replace: 'else this.#unlock(access);',
    withinSeeds: 600,
  },
  {
    name: 'reuse-a-source-early',
    bug: 'the next access of a slot has the source of the one before',
    file: `${tilelink}/access-table.ts`,
    find: '(this.#uses[access.index] as number) + 1;',
    replace: 'this.#uses[access.index] as number;',
    withinSeeds: 40,
  },
  {
    name: 'answer-before-the-last-part',
    bug: 'a request is done when one of its parts is still on its way',
    file: `${tilelink}/initiator.ts`,
    find: 'if (request.pendingParts === 0 && request.issued === request.length) {',
    replace: 'if (request.pendingParts === 1 && request.issued === request.length) {',
    withinSeeds: 40,
  },
  {
    name: 'complete-a-denied-write',
    bug: 'a write of which a part was denied succeeds',
    file: `${tilelink}/initiator.ts`,
    find: 'if (message.denied) {',
    replace: 'if (message.denied && isGet) {',
    withinSeeds: 200,
  },
  {
    name: 'wrong-data-order',
    bug: 'single words are copied as they are where they should be reversed',
    file: `${tilelink}/access-message.ts`,
    find: 'if (this.#isReversed) copyReversed(',
    replace: 'if (this.#isReversed && n > 8) copyReversed(',
    withinSeeds: 40,
  },
  {
    name: 'never-give-up',
    bug: 'a request that nobody answers never runs out of time',
    file: `${tilelink}/initiator.ts`,
    find: 'if (now - request.touchedAt < budget',
    replace: 'if (now - request.touchedAt < 1000 * budget',
    withinSeeds: 2000,
  },
  {
    name: 'look-again-at-once',
    bug: 'the requests are looked at again at the same instant, for ever',
    file: `${tilelink}/initiator.ts`,
    find: 'NEVER : now + scanIntervalMicros(reissue);',
    replace: 'NEVER : now;',
    withinSeeds: 40,
  },
  {
    name: 'wait-for-the-close',
    bug: 'a Close that nobody answers is waited for without end',
    file: `${link}/link.ts`,
    find: 'this.#timers.set(Timer.close, now + this.config.closeTimeoutMicros);',
    replace: '',
    withinSeeds: 200,
  },
  {
    name: 'mistake-the-peer',
    bug: 'the hardware endpoint is not recognised',
    file: `${link}/peer-recognition.ts`,
    find: "grants: ['A10', 'C10', 'E10']",
    replace: "grants: ['A10', 'C10', 'D10']",
    withinSeeds: 100,
  },
  {
    name: 'forget-a-restart',
    bug: 'an Open on a connection that is there does not start it anew',
    file: `${link}/link.ts`,
    find: 'else if (isQuiet && this.#isUsed()) this.#restart(now);',
    replace: '',
    withinSeeds: 400,
  },
  {
    name: 'trust-a-restarted-endpoint',
    bug: 'a new connection serves without a look at the memory',
    file: `${bdev}/endpoint/endpoint-memory.ts`,
    find: 'if (proof.isProven) this.#serveAgain();',
    replace: 'if (proof.isAnswered !== undefined || proof.isProven) this.#serveAgain();',
    withinSeeds: 400,
  },
  {
    name: 'call-a-failure-done',
    bug: 'a request that ran out of time is answered as if it had worked',
    file: `${bdev}/device/nbd-errno.ts`,
    find: '[MemoryStatus.timedOut]: NbdErrno.EIO,',
    replace: '[MemoryStatus.timedOut]: NbdErrno.OK,',
    withinSeeds: 400,
  },
  {
    name: 'leave-it-to-chance',
    bug: 'a time-out depends on a random number',
    file: `${link}/round-trip.ts`,
    find: 'timeoutMicros(): Micros {',
    replace:
      'timeoutMicros(): Micros {\n    if (Math.random() < 0.5) return this.#limits.maximumMicros;',
    withinSeeds: 100,
  },
];
