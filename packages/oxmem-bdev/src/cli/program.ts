import { readFileSync } from 'node:fs';

import { Command, CommanderError, Option } from 'commander';

import { OPTION_RULES, parseOptions, type OptionRule, type Options } from './options.ts';

/** What a command line asks for. */
export type CommandLine =
  | { readonly kind: 'run'; readonly options: Options }
  /** `--help` and `--version`: print this and end well. */
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'usageError'; readonly sentence: string };

/**
 * Reads a command line.
 *
 * @param args  what follows the name of the program
 */
export function readCommandLine(args: readonly string[]): CommandLine {
  const printed: string[] = [];
  const program = createProgram((text) => printed.push(text));
  try {
    program.parse(args, { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.exitCode === 0) return { kind: 'print', text: printed.join('') };
    return { kind: 'usageError', sentence: usageSentence(thrown, program.args) };
  }
  const parsed = parseOptions(program.opts<Record<string, string | true>>());
  if (parsed.isValid) return { kind: 'run', options: parsed.options };
  return { kind: 'usageError', sentence: parsed.sentence };
}

function createProgram(print: (text: string) => void): Command {
  const program = new Command('oxmem-bdev')
    .version(readVersion(), '-V, --version')
    .helpOption('-h, --help')
    .configureHelp({ formatHelp: helpText })
    .configureOutput({ writeOut: print, writeErr: () => {} })
    .showSuggestionAfterError(true)
    .allowExcessArguments(false)
    .exitOverride();
  for (const { flag } of Object.values(OPTION_RULES)) {
    program.addOption(new Option(flag.replace(/=(.+)$/, ' <$1>')));
  }
  return program;
}

/** One screen: every line has at most 80 columns. */
function helpText(): string {
  const lines = [
    'Usage: oxmem-bdev --netdev=DEV --mac=MAC --size=SIZE [options]',
    'Serves the memory of an OmniXtend endpoint as a block device (NBD).',
  ];
  let group = '';
  for (const rule of Object.values(OPTION_RULES) as OptionRule<unknown>[]) {
    if (rule.group !== group) lines.push(`${rule.group}:`);
    group = rule.group;
    lines.push(`  ${rule.flag.padEnd(HELP_COLUMN)}${rule.help}`);
  }
  lines.push(
    `  ${'-h, --help  -V, --version'.padEnd(HELP_COLUMN)}print this, or the version, and end`,
    'Exit codes: 0 done, 1 failed, 2 usage, 3 not permitted, 4 busy, 5 no endpoint',
  );
  return `${lines.join('\n')}\n`;
}

/** Puts what commander found into one sentence. */
function usageSentence(error: CommanderError, operands: readonly string[]): string {
  const [, named = ''] = /'([^']*)'/.exec(error.message) ?? [];
  const [, suggestion] = /\(Did you mean (.+?)\?\)/.exec(error.message) ?? [];
  const long = named.split(/[ =]/)[0] ?? '';
  const rule = ruleOf(long);
  switch (error.code) {
    case 'commander.unknownOption':
      if (rule !== undefined) return `${named} is wrong: ${long} takes no value.`;
      return suggestion === undefined
        ? `${named} is not an option of oxmem-bdev; see oxmem-bdev --help.`
        : `${named} is not an option of oxmem-bdev; did you mean ${suggestion}?`;
    case 'commander.optionMissingArgument':
      return `${long} has no value: it takes ${rule?.expected ?? 'one'}.`;
    case 'commander.excessArguments':
      return (
        `"${operands[0] ?? ''}" is not an option; every argument is one, like --size=8G (see ` +
        'oxmem-bdev --help).'
      );
    default:
      return `${error.message.replace(/^error: /, '').replaceAll(/\s+/g, ' ')}.`;
  }
}

function ruleOf(long: string): OptionRule<unknown> | undefined {
  const rules = Object.values(OPTION_RULES) as OptionRule<unknown>[];
  return rules.find(({ flag }) => flag.split('=')[0] === long);
}

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

const HELP_COLUMN = 26;
