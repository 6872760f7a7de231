/** What goes wrong when: everything follows from the seed and the length of the run. */
import { Prng } from '@oxmem/tloe-protocol/testing';

/** @typedef {import('./soak-load.mjs').LoadStyle} LoadStyle */
/**
 * What happens during a phase besides its faults.
 *
 * @typedef {'nothing' | 'outage' | 'freeze' | 'interface down' | 'driver restarted' |
 *   'driver killed' | 'endpoint restarts' | 'both killed'} Event
 */
/**
 * @typedef {object} PhaseKind
 * @property {string} name
 * @property {number} seconds least length
 * @property {(prng: Prng) => string[]} [faults] in the words of --fault; none unless told
 * @property {Event} [event]
 * @property {number[]} [eventMs] how long the event lasts at least and at most
 * @property {boolean} [mayFail] requests may fail; else a single error ends the run
 */
/**
 * @typedef {object} Phase
 * @property {string} name
 * @property {number} seconds
 * @property {string[]} faults
 * @property {Event} event
 * @property {number} eventMs
 * @property {boolean} mayFail
 * @property {LoadStyle} style
 */

/** @param {Prng} prng @param {number} least @param {number} most percent */
const percent = (prng, least, most) => `${(least + prng.nextFloat() * (most - least)).toFixed(2)}%`;

/** Those that one driver and one endpoint live through. @type {readonly PhaseKind[]} */
const enduring = [
  { name: 'clean', seconds: 2.5 },
  { name: 'loss', seconds: 2.5, faults: (prng) => [`loss=${percent(prng, 0.1, 3)}`] },
  { name: 'heavy loss', seconds: 2.5, faults: (prng) => [`loss=${percent(prng, 3, 10)}`] },
  {
    name: 'loss one way',
    seconds: 2.5,
    faults: (prng) => [`${prng.pick(['rx', 'tx'])}:loss=${percent(prng, 1, 5)}`],
  },
  { name: 'duplicates', seconds: 2.5, faults: (prng) => [`dup=${percent(prng, 1, 20)}`] },
  { name: 'reordering', seconds: 2.5, faults: (prng) => [`reorder=${percent(prng, 1, 10)}`] },
  { name: 'delay', seconds: 2.5, faults: () => ['delay=1ms±500us'] },
  { name: 'stalls', seconds: 2.5, faults: (prng) => [`stall=${percent(prng, 0.02, 0.2)}/100ms`] },
  {
    name: 'all of it',
    seconds: 2.5,
    faults: (prng) => [
      `loss=${percent(prng, 0.1, 2)}`,
      `dup=${percent(prng, 0.1, 2)}`,
      `reorder=${percent(prng, 0.1, 2)}`,
      'delay=200us±200us',
    ],
  },
  {
    name: 'refusals',
    seconds: 2.5,
    faults: (prng) => [`deny=${percent(prng, 0.02, 0.5)}`, `spoil=${percent(prng, 0.02, 0.5)}`],
    mayFail: true,
  },
  { name: 'frozen endpoint', seconds: 2.5, event: 'freeze', eventMs: [200, 2500] },
  { name: 'short outage', seconds: 2.5, event: 'outage', eventMs: [200, 2500] },
  { name: 'long outage', seconds: 7, event: 'outage', eventMs: [6000, 7000], mayFail: true },
  { name: 'interface down', seconds: 2.5, event: 'interface down', eventMs: [200, 2500] },
];

/** Those that end one of them: at the end, so that one driver has lived long. @type {readonly PhaseKind[]} */
const fatal = [
  { name: 'driver killed', seconds: 2.5, event: 'driver killed', mayFail: true },
  { name: 'endpoint restarts', seconds: 2.5, event: 'endpoint restarts', mayFail: true },
  {
    name: 'driver killed, bad wire',
    seconds: 2.5,
    faults: (prng) => [`loss=${percent(prng, 0.1, 3)}`, 'dup=1%', 'reorder=1%'],
    event: 'driver killed',
    mayFail: true,
  },
  { name: 'both killed', seconds: 2.5, event: 'both killed', mayFail: true },
];
/** In good order, so that what the driver has counted becomes known. @type {PhaseKind} */
const change = { name: 'driver restarted', seconds: 1, event: 'driver restarted', mayFail: true };
/** Requests open at a time at most; so many workers a load needs. */
export const mostDepth = 32;
const enduringShare = 0.7;
/** Phases are not longer than this many times their least length: variety is what finds bugs. */
const mostStretch = 5;

/**
 * The plan of a run. It is never empty: a run is at least as long as every kind of phase once.
 *
 * @param {number} seed
 * @param {number} totalSeconds
 * @returns {Phase[]}
 */
export function planPhases(seed, totalSeconds) {
  const prng = new Prng(seed).fork('phases');
  return [
    ...fillTime(enduring, totalSeconds * enduringShare, prng),
    draw(change, 1, prng),
    ...fillTime(fatal, totalSeconds * (1 - enduringShare), prng),
  ];
}

/**
 * Rounds in which each kind has its turn, each in an order of its own.
 *
 * @param {readonly PhaseKind[]} kinds
 * @param {number} seconds
 * @param {Prng} prng
 */
function fillTime(kinds, seconds, prng) {
  const least = kinds.reduce((sum, kind) => sum + kind.seconds, 0);
  const rounds = Math.max(1, Math.ceil(seconds / (least * mostStretch)));
  const stretch = Math.max(1, seconds / (least * rounds));
  return Array.from({ length: rounds }, () => shuffled(kinds, prng))
    .flat()
    .map((kind) => draw(kind, stretch, prng));
}

/**
 * @param {PhaseKind} kind
 * @param {number} stretch
 * @param {Prng} prng
 * @returns {Phase}
 */
function draw(kind, stretch, prng) {
  const { name, seconds, event = 'nothing', eventMs: [least = 0, most = 0] = [] } = kind;
  // Who reads everything after each death must be at work.
  const isFatal = kind === change || fatal.includes(kind);
  return {
    name,
    seconds: seconds * stretch,
    faults: kind.faults?.(prng) ?? [],
    event,
    eventMs: prng.between(least, most),
    mayFail: kind.mayFail ?? false,
    style: {
      name,
      depth: isFatal ? mostDepth : prng.pick([1, 4, 16, mostDepth]),
      sizes: prng.pick(/** @type {const} */ (['small', 'odd', 'mixed', 'mixed', 'large'])),
    },
  };
}

/**
 * @param {readonly PhaseKind[]} kinds
 * @param {Prng} prng
 */
function shuffled(kinds, prng) {
  const rest = [...kinds];
  return kinds.flatMap(() => rest.splice(prng.below(rest.length), 1));
}
