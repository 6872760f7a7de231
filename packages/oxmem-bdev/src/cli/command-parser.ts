import { Command, CommanderError, Option } from 'commander';

import { readVersion } from './program-version.ts';
import { longName, type ValueRule, type ValueRules, type ValueTexts } from './value-rules.ts';

/** One command: what it is called, what it takes, what `--help` says. */
export interface CommandShape<Values> {
  /** With the program's: `oxmem-bdev detach`. */
  readonly name: string;
  readonly rules: ValueRules<Values>;
  /** The one operand, if it takes one; it must be given. */
  readonly operand?: { readonly name: string; readonly expected: string } | undefined;
  /** Every line has at most 80 columns, and all of them fit a screen. */
  readonly helpText: () => string;
  /** The sentence about an operand too many. */
  readonly excessSentence: (operand: string) => string;
}

/** A command line taken apart, its values still as texts. */
export type ParsedArguments =
  | { readonly kind: 'texts'; readonly texts: ValueTexts; readonly operand: string }
  /** `--help` and `--version`: print this and end well. */
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'usageError'; readonly sentence: string };

/**
 * Takes the arguments of a command apart.
 *
 * @param args  what follows the name of the command
 */
export function parseArguments<Values>(
  shape: CommandShape<Values>,
  args: readonly string[],
): ParsedArguments {
  const printed: string[] = [];
  const command = createCommand(shape, (text) => printed.push(text));
  try {
    command.parse(args, { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.exitCode === 0) return { kind: 'print', text: printed.join('') };
    return { kind: 'usageError', sentence: usageSentence(shape, thrown, command.args) };
  }
  const texts = command.opts<Record<string, string | true>>();
  return { kind: 'texts', texts, operand: command.args[0] ?? '' };
}

/** A command in the help of options: its flag in one column, its meaning in the next. */
export function helpLine({ flag, help }: Pick<ValueRule<unknown>, 'flag' | 'help'>): string {
  return `  ${flag.padEnd(HELP_COLUMN)}${help}`;
}

function createCommand<Values>(
  shape: CommandShape<Values>,
  print: (text: string) => void,
): Command {
  const command = new Command(shape.name)
    .version(readVersion(), '-V, --version')
    .helpOption('-h, --help')
    .configureHelp({ formatHelp: shape.helpText })
    .configureOutput({ writeOut: print, writeErr: () => {} })
    .showSuggestionAfterError(true)
    .allowExcessArguments(false)
    .exitOverride();
  if (shape.operand !== undefined) command.argument(`<${shape.operand.name}>`);
  for (const { flag } of rulesOf(shape)) {
    command.addOption(new Option(flag.replace(/=(.+)$/, ' <$1>')));
  }
  return command;
}

/** Puts what commander found into one sentence. */
function usageSentence<Values>(
  shape: CommandShape<Values>,
  error: CommanderError,
  operands: readonly string[],
): string {
  const { name, operand } = shape;
  const [, named = ''] = /'([^']*)'/.exec(error.message) ?? [];
  const [, suggestion] = /\(Did you mean (.+?)\?\)/.exec(error.message) ?? [];
  const long = named.split(/[ =]/)[0] ?? '';
  const rule = rulesOf(shape).find((each) => longName(each) === long);
  switch (error.code) {
    case 'commander.unknownOption':
      if (rule !== undefined) return `${named} is wrong: ${long} takes no value.`;
      return suggestion === undefined
        ? `${named} is not an option of ${name}; see ${name} --help.`
        : `${named} is not an option of ${name}; did you mean ${suggestion}?`;
    case 'commander.optionMissingArgument':
      return `${long} has no value: it takes ${rule?.expected ?? 'one'}.`;
    case 'commander.missingArgument':
      return `${operand?.name ?? 'An operand'} is missing: ${name} takes ${operand?.expected}.`;
    case 'commander.excessArguments':
      return shape.excessSentence(operands[operand === undefined ? 0 : 1] ?? '');
    default:
      return `${error.message.replace(/^error: /, '').replaceAll(/\s+/g, ' ')}.`;
  }
}

function rulesOf<Values>({ rules }: CommandShape<Values>): ValueRule<unknown>[] {
  return Object.values(rules);
}

const HELP_COLUMN = 26;
