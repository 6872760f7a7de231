import type { CommandShape } from './command-parser.ts';
import { longName, type ValueRule } from './value-rules.ts';

/**
 * What a program takes, read off its tables: for the completion of shells and for manual pages, which
 * so never say anything else than the program itself.
 */
export interface ProgramDescription {
  readonly name: string;
  /** The first is the program without a command, its name is empty. */
  readonly commands: readonly CommandDescription[];
}

export interface CommandDescription {
  /** What is typed behind the program's name. */
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** How it is called, a line each. */
  readonly usage: readonly string[];
  /** What `--help` says behind that, and behind the options. */
  readonly text: string;
  readonly remarks: string;
  readonly options: readonly OptionDescription[];
  readonly operand: OperandDescription | undefined;
}

/** What can stand in a place of the command line. */
export interface ValueDescription {
  /** Words that are good values; there may be others. */
  readonly choices: readonly string[];
  /** Of what kind the other values are. */
  readonly kind: 'file' | 'interface' | 'device' | 'other';
  /** In words. */
  readonly expected: string;
}

export interface OptionDescription {
  /** `--size` */
  readonly long: string;
  /** The heading under which `--help` has it; empty: none. */
  readonly group: string;
  readonly help: string;
  /** Stands for the value; undefined: it takes none. */
  readonly placeholder: string | undefined;
  readonly value: ValueDescription;
}

export interface OperandDescription extends ValueDescription {
  readonly name: string;
}

/** @param name  what is typed behind the program's name; empty for the program itself */
export function describeCommand<Values>(
  name: string,
  { rules, operand, helpText }: CommandShape<Values>,
): CommandDescription {
  return {
    name,
    ...describeHelp(helpText()),
    options: Object.values<ValueRule<unknown>>(rules).map(describeOption),
    operand: operand && { name: operand.name, ...describeValue(operand.expected, isPlainWord) },
  };
}

/**
 * What can stand in a place, from the words that say so and whoever reads it.
 *
 * @param isGood  whether a word would be taken
 */
export function describeValue(
  expected: string,
  isGood: (word: string) => boolean,
): ValueDescription {
  const words = expected.split(/, | or /).filter(isPlainWord);
  return { choices: words.filter(isGood), kind: kindOf(expected), expected };
}

function describeOption(rule: ValueRule<unknown>): OptionDescription {
  const { flag, help, expected, parse } = rule;
  return {
    long: longName(rule),
    group: 'group' in rule ? String(rule.group) : '',
    help,
    placeholder: flag.split('=')[1],
    value: describeValue(expected, (word) => parse(word) !== undefined),
  };
}

/** Help is: how it is called, some lines, the options (each indented), some lines. */
function describeHelp(
  text: string,
): Pick<CommandDescription, 'usage' | 'summary' | 'text' | 'remarks'> {
  const lines = text.trimEnd().split('\n');
  const isOption = (line: string): boolean => /^ +-/.test(line);
  const isUsage = (line: string): boolean => /^(Usage:| {7}oxmem)/.test(line);
  const startsOptions = (line: string, i: number): boolean =>
    isOption(line) || (line.endsWith(':') && isOption(lines[i + 1] ?? ''));
  const firstOption = lines.findIndex(startsOptions);
  const before = lines
    .slice(0, firstOption)
    .filter((line) => !isUsage(line))
    .join(' ');
  const behind = lines.slice(lines.findLastIndex(isOption) + 1);
  return {
    usage: lines.filter(isUsage).map((line) => line.replace('Usage:', '').trim()),
    summary: /^.*?[.:](?= |$)/.exec(before)?.[0].replace(/[.:]$/, '') ?? before,
    text: before,
    remarks: behind.join(' '),
  };
}

function kindOf(expected: string): ValueDescription['kind'] {
  if (/path of a file/.test(expected)) return 'file';
  if (/name of a network interface/.test(expected)) return 'interface';
  return /kernel device/.test(expected) ? 'device' : 'other';
}

function isPlainWord(text: string): boolean {
  return /^[a-z][\w-]*$/.test(text);
}
