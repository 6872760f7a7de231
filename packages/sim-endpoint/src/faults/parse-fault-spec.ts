import {
  formatDuration,
  formatProbability,
  parseDuration,
  parseInteger,
  parseProbability,
} from '@oxmem/tloe-protocol';
import type { DirectionFaults } from '@oxmem/tloe-protocol/testing';
import { HABIT_FAULT_NAMES, isHabitFault } from '../persona/habit-faults.ts';
import {
  DEFAULT_REORDER_DEPTH,
  DEFAULT_STALL_MICROS,
  NO_FAULT_SETTINGS,
  type FaultDirection,
  type FaultSettings,
  type FrameFaults,
} from './fault-settings.ts';

/**
 * The language of `--fault`. One text is a direction and a list:
 *
 * ```
 * [rx:|tx:]FAULT=VALUE[,FAULT=VALUE...]
 *
 * loss=P          frames are lost with probability P
 * dup=P           frames arrive twice
 * reorder=P[/N]   frames are overtaken by up to N others (1 .. 64, default 3)
 * corrupt=P       one bit of a frame is inverted
 * delay=D[±D]     frames take so long; `+-` may stand for `±`
 * stall=P[/D]     with probability P per frame nothing moves for a while (default 100ms)
 * deny=P          requests are answered `denied`; has no direction
 * spoil=P         answers with data are marked corrupt; has no direction
 * habit=NAME      a habit of some real endpoint, see `HABIT_FAULTS`; repeatable, no direction
 * ```
 *
 * `rx` is what the endpoint receives, `tx` what it sends; without either, both. Of several texts,
 * and within one, the later word counts.
 */
export const FAULT_SYNTAX: string =
  '[rx:|tx:]FAULT=VALUE[,...] with loss=P, dup=P, reorder=P[/FRAMES], corrupt=P, ' +
  'delay=DURATION[±DURATION], stall=P[/DURATION], deny=P, spoil=P or habit=NAME, P being a ' +
  'probability such as 1% or 0.01';

/** What the text says, or what is wrong with it. */
export type FaultSpecResult =
  | { readonly ok: true; readonly settings: FaultSettings }
  | { readonly ok: false; readonly reason: string };

/**
 * Reads one text.
 *
 * @param before  settings to which it is added
 */
export function parseFaultSpec(
  text: string,
  before: FaultSettings = NO_FAULT_SETTINGS,
): FaultSpecResult {
  const [, prefix, list] = SPEC.exec(text) as unknown as [string, string | undefined, string];
  const directions: readonly FaultDirection[] =
    prefix === undefined ? ['rx', 'tx'] : [prefix as FaultDirection];
  let settings = before;
  for (const item of list.split(',')) {
    const result = parseItem(item, { settings, directions, hasPrefix: prefix !== undefined });
    if (!result.ok) return result;
    settings = result.settings;
  }
  return { ok: true, settings };
}

/** Reads several texts, one after the other. */
export function parseFaultSpecs(texts: readonly string[]): FaultSpecResult {
  let result: FaultSpecResult = { ok: true, settings: NO_FAULT_SETTINGS };
  for (const text of texts) {
    if (!result.ok) return result;
    result = parseFaultSpec(text, result.settings);
  }
  return result;
}

/** Writes settings as texts that `parseFaultSpecs` reads back as the same settings. */
export function formatFaultSpecs(settings: FaultSettings): string[] {
  const specs: string[] = [];
  for (const direction of ['rx', 'tx'] as const) {
    const items = formatFrameFaults(settings[direction]);
    if (items.length > 0) specs.push(`${direction}:${items.join(',')}`);
  }
  if (settings.denyChance > 0) specs.push(`deny=${formatProbability(settings.denyChance)}`);
  if (settings.spoilChance > 0) specs.push(`spoil=${formatProbability(settings.spoilChance)}`);
  for (const habit of settings.habits) specs.push(`habit=${habit}`);
  return specs;
}

interface ItemContext {
  readonly settings: FaultSettings;
  readonly directions: readonly FaultDirection[];
  readonly hasPrefix: boolean;
}

function parseItem(item: string, context: ItemContext): FaultSpecResult {
  const { settings } = context;
  const [, name = item, value = ''] = ITEM.exec(item) ?? [];
  if (UNDIRECTED.includes(name)) {
    if (context.hasPrefix) return bad(`${name} has no direction: write "${name}=${value}"`);
    if (name === 'habit') return parseHabit(value, settings);
    const chance = parseProbability(value);
    if (chance === undefined) return bad(`"${item}" has no probability such as 1% or 0.01`);
    const change = name === 'deny' ? { denyChance: chance } : { spoilChance: chance };
    return { ok: true, settings: { ...settings, ...change } };
  }
  const parse = Object.hasOwn(FRAME_FAULTS, name)
    ? FRAME_FAULTS[name as FrameFaultName]
    : undefined;
  if (parse === undefined) {
    const known = [...Object.keys(FRAME_FAULTS), ...UNDIRECTED].join(', ');
    return bad(`"${name}" is not one of ${known}`);
  }
  const change = parse.read(value);
  if (change === undefined) return bad(`"${item}" is not of the form ${name}=${parse.form}`);
  const changed = { ...settings };
  for (const direction of context.directions) {
    changed[direction] = change(settings[direction]);
  }
  return { ok: true, settings: changed };
}

function parseHabit(name: string, settings: FaultSettings): FaultSpecResult {
  if (!isHabitFault(name)) return bad(`"${name}" is not one of ${HABIT_FAULT_NAMES.join(', ')}`);
  const habits = [...settings.habits.filter((habit) => habit !== name), name];
  return { ok: true, settings: { ...settings, habits } };
}

type Change = (faults: FrameFaults) => FrameFaults;

interface FrameFaultSyntax {
  /** How the value looks, for people. */
  readonly form: string;
  /** What the value does to a direction; undefined if it is no such value. */
  read(value: string): Change | undefined;
}

const FRAME_FAULTS = {
  loss: probability('loss'),
  dup: probability('duplicate'),
  corrupt: probability('corrupt'),
  reorder: { form: 'PROBABILITY[/FRAMES], for instance 1%/4', read: readReorder },
  delay: { form: 'DURATION[±DURATION], for instance 2ms±1ms', read: readDelay },
  stall: { form: 'PROBABILITY[/DURATION], for instance 0.1%/50ms', read: readStall },
} satisfies Record<string, FrameFaultSyntax>;
type FrameFaultName = keyof typeof FRAME_FAULTS;

function probability(field: 'loss' | 'duplicate' | 'corrupt'): FrameFaultSyntax {
  return {
    form: 'PROBABILITY, for instance 1% or 0.01',
    read: (value) => {
      const chance = parseProbability(value);
      return chance === undefined ? undefined : wireChange({ [field]: chance });
    },
  };
}

function readReorder(value: string): Change | undefined {
  const [, chanceText = '', depthText] = WITH_DETAIL.exec(value) ?? [];
  const reorder = parseProbability(chanceText);
  const reorderDepthFrames =
    depthText === undefined ? DEFAULT_REORDER_DEPTH : parseInteger(depthText, REORDER_DEPTHS);
  if (reorder === undefined || reorderDepthFrames === undefined) return undefined;
  return wireChange({
    reorder,
    reorderDepthFrames: reorder > 0 ? reorderDepthFrames : DEFAULT_REORDER_DEPTH,
  });
}

function readDelay(value: string): Change | undefined {
  const [, meanText = '', spreadText] = DELAY.exec(value) ?? [];
  const mean = parseDuration(meanText);
  const spread = spreadText === undefined ? 0 : parseDuration(spreadText);
  if (mean === undefined || spread === undefined || spread > mean) return undefined;
  if (mean > LONGEST_MICROS) return undefined;
  return wireChange({ delayMicros: mean - spread, jitterMicros: 2 * spread });
}

function readStall(value: string): Change | undefined {
  const [, chanceText = '', durationText] = WITH_DETAIL.exec(value) ?? [];
  const chance = parseProbability(chanceText);
  const durationMicros =
    durationText === undefined ? DEFAULT_STALL_MICROS : parseDuration(durationText);
  if (chance === undefined || durationMicros === undefined) return undefined;
  if (durationMicros > LONGEST_MICROS) return undefined;
  const stall = { chance, durationMicros: chance > 0 ? durationMicros : DEFAULT_STALL_MICROS };
  return (faults) => ({ ...faults, stall });
}

function wireChange(wire: Partial<DirectionFaults>): Change {
  return (faults) => ({ ...faults, wire: { ...faults.wire, ...wire } });
}

function bad(reason: string): FaultSpecResult {
  return { ok: false, reason };
}

function formatFrameFaults({ wire, stall }: FrameFaults): string[] {
  const items: string[] = [];
  if (wire.loss > 0) items.push(`loss=${formatProbability(wire.loss)}`);
  if (wire.duplicate > 0) items.push(`dup=${formatProbability(wire.duplicate)}`);
  if (wire.reorder > 0) {
    items.push(`reorder=${formatProbability(wire.reorder)}/${wire.reorderDepthFrames}`);
  }
  if (wire.corrupt > 0) items.push(`corrupt=${formatProbability(wire.corrupt)}`);
  if (wire.delayMicros > 0 || wire.jitterMicros > 0) {
    const spread = wire.jitterMicros / 2;
    const mean = formatDuration(wire.delayMicros + spread);
    items.push(`delay=${mean}${spread > 0 ? `±${formatDuration(spread)}` : ''}`);
  }
  if (stall.chance > 0) {
    const duration = formatDuration(stall.durationMicros);
    items.push(`stall=${formatProbability(stall.chance)}/${duration}`);
  }
  return items;
}

/** Faults of the endpoint rather than of its frames. */
const UNDIRECTED: readonly string[] = ['deny', 'spoil', 'habit'];

/** Matches every text: what is not a prefix belongs to the list. */
const SPEC = /^(?:(rx|tx):)?(.*)$/s;
const ITEM = /^([a-z]+)=(.*)$/s;
const WITH_DETAIL = /^([^/]*)(?:\/([^/]*))?$/;
const DELAY = /^([^±+]*)(?:(?:±|\+-)(.*))?$/;
const REORDER_DEPTHS = { min: 1, max: 64 };
/** Longer than any time-out of anybody. */
const LONGEST_MICROS = 3_600_000_000;
