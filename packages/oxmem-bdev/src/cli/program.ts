import {
  COMPLETION_SHAPE,
  readCompletionOptions,
  type CompletionOptions,
} from '../commands/completion/options.ts';
import { DETACH_SHAPE, readDetachOptions, type DetachOptions } from '../commands/detach/options.ts';
import { DOCTOR_SHAPE, readDoctorOptions, type DoctorOptions } from '../commands/doctor/options.ts';
import { STATUS_SHAPE, readStatusOptions, type StatusOptions } from '../commands/status/options.ts';
import { TOP_SHAPE, readTopOptions, type TopOptions } from '../commands/top/options.ts';
import { helpLine, parseArguments, type CommandShape } from './command-parser.ts';
import { OPTION_RULES, parseOptions, type OptionRule, type Options } from './options.ts';
import { describeCommand, type ProgramDescription } from './program-description.ts';
import type { ReadValues, ValueTexts } from './value-rules.ts';

/** What a command line asks for. */
export type CommandLine =
  | { readonly kind: 'run'; readonly options: Options }
  | { readonly kind: 'detach'; readonly options: DetachOptions }
  | { readonly kind: 'status'; readonly options: StatusOptions }
  | { readonly kind: 'top'; readonly options: TopOptions }
  | { readonly kind: 'doctor'; readonly options: DoctorOptions }
  | { readonly kind: 'completion'; readonly options: CompletionOptions }
  /** `--help` and `--version`: print this and end well. */
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'usageError'; readonly sentence: string };

/**
 * Reads a command line. The first argument may name a command; without one the driver is meant.
 *
 * @param args  what follows the name of the program
 */
export function readCommandLine(args: readonly string[]): CommandLine {
  const [first, ...rest] = args;
  switch (first) {
    case 'detach':
      return read(first, DETACH_SHAPE, rest, readDetachOptions);
    case 'status':
      return read(first, STATUS_SHAPE, rest, readStatusOptions);
    case 'top':
      return read(first, TOP_SHAPE, rest, readTopOptions);
    case 'doctor':
      return read(first, DOCTOR_SHAPE, rest, readDoctorOptions);
    case 'completion':
      return read(first, COMPLETION_SHAPE, rest, (_, shell) => readCompletionOptions(shell));
    default:
      return read('run', DRIVER_SHAPE, args, parseOptions);
  }
}

/** The names of the commands. */
export const COMMANDS = ['detach', 'status', 'top', 'doctor', 'completion'] as const;

/** What the program takes, for completion and the manual page. */
export function describeProgram(): ProgramDescription {
  const commands = [
    describeCommand('', DRIVER_SHAPE),
    describeCommand('detach', DETACH_SHAPE),
    describeCommand('status', STATUS_SHAPE),
    describeCommand('top', TOP_SHAPE),
    describeCommand('doctor', DOCTOR_SHAPE),
    describeCommand('completion', COMPLETION_SHAPE),
  ];
  return { name: 'oxmem-bdev', commands };
}

type Read<Kind, Values> =
  | { readonly kind: Kind; readonly options: Values }
  | Extract<CommandLine, { kind: 'print' | 'usageError' }>;

function read<Kind, Texts, Values>(
  kind: Kind,
  shape: CommandShape<Texts>,
  args: readonly string[],
  readTexts: (texts: ValueTexts, operand: string) => ReadValues<Values>,
): Read<Kind, Values> {
  const parsed = parseArguments(shape, args);
  if (parsed.kind === 'usageError') return usageError(parsed.sentence);
  if (parsed.kind !== 'texts') return parsed;
  const values = readTexts(parsed.texts, parsed.operand);
  if (values.isValid) return { kind, options: values.options };
  return usageError(values.sentence);
}

/** Sentences quote what was typed; a terminal must be able to show that without harm. */
function usageError(sentence: string): Extract<CommandLine, { kind: 'usageError' }> {
  return { kind: 'usageError', sentence: sentence.replaceAll(/\p{C}/gu, '?') };
}

/** The driver itself, which is what the program does without a command. */
const DRIVER_SHAPE: CommandShape<Options> = {
  name: 'oxmem-bdev',
  rules: OPTION_RULES,
  helpText,
  excessSentence: (operand) =>
    `"${operand}" is not an option like --size=8G, and no command: the commands are ` +
    `${COMMANDS.join(', ')} and come first (see oxmem-bdev --help).`,
};

/** One screen: every line has at most 80 columns. */
function helpText(): string {
  const lines = [
    'Usage: oxmem-bdev --netdev=DEV --mac=MAC --size=SIZE [options]',
    `       oxmem-bdev ${COMMANDS.join('|')} [options]   (see --help)`,
    'Serves the memory of an OmniXtend endpoint as a block device (NBD).',
  ];
  let group = '';
  for (const rule of Object.values(OPTION_RULES) as OptionRule<unknown>[]) {
    if (rule.group !== group) lines.push(`${rule.group}:`);
    group = rule.group;
    lines.push(helpLine(rule));
  }
  lines.push(
    helpLine({ flag: '-h, --help  -V, --version', help: 'print this, or the version, and end' }),
    'Exit codes: 0 done, 1 failed, 2 usage, 3 not permitted, 4 busy, 5 no endpoint',
  );
  return `${lines.join('\n')}\n`;
}
