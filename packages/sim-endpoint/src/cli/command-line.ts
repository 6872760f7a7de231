import { readFileSync } from 'node:fs';
import { addressPlus } from '@oxmem/tloe-protocol';
import { Command, CommanderError, Option } from 'commander';
import { HABIT_FAULTS } from '../persona/habit-faults.ts';
import { OPTIONS, optionsOf, type CliOptions, type OptionSyntax } from './options.ts';

/** The name of the command. */
export const COMMAND_NAME = 'oxmem-sim-endpoint';

/** What the command line asks for. */
export type CommandLine =
  | { readonly kind: 'run'; readonly options: CliOptions }
  /** Print this on standard output, and that is all. */
  | { readonly kind: 'print'; readonly text: string }
  /** One sentence that says what is wrong. */
  | { readonly kind: 'usage'; readonly problem: string };

/** @param argv  without the names of node and the program */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  if (argv.includes('--help-faults')) return { kind: 'print', text: FAULTS_HELP };
  const line = parse(argv);
  if (line.kind !== 'usage') return line;
  // It quotes what was typed; a terminal must be able to show that without harm.
  return { kind: 'usage', problem: line.problem.replaceAll(/\p{C}/gu, '?') };
}

function parse(argv: readonly string[]): CommandLine {
  let printed = '';
  const program = createProgram();
  program.configureOutput({
    writeOut: (text) => {
      printed += text;
    },
    writeErr: () => {},
  });
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'print', text: printed };
    return { kind: 'usage', problem: problemOf(error) };
  }
  return checkTexts(textsOf(program));
}

function createProgram(): Command {
  const program = new Command(COMMAND_NAME)
    .version(versionOfPackage(), '-V, --version')
    .helpOption('-h, --help')
    .configureHelp({ formatHelp: helpText })
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
    .exitOverride();
  for (const syntax of OPTIONS) program.addOption(optionFor(syntax));
  return program;
}

function optionFor({ name, value }: OptionSyntax): Option {
  const option = new Option(`--${name} <${value}>`);
  option.argParser<string[]>((text, before) => [...(before ?? []), text]);
  return option;
}

/** One screen: every line has at most 80 columns. */
function helpText(): string {
  const lines = [
    `Usage: ${COMMAND_NAME} --netdev=DEV --size=SIZE [options]`,
    'A software OmniXtend memory endpoint: serves memory to any number of initiators.',
  ];
  let group = '';
  for (const syntax of OPTIONS) {
    if (syntax.group !== group) lines.push(`${syntax.group}:`);
    group = syntax.group;
    lines.push(optionLine(syntax));
  }
  return `${lines.join('\n')}\n${HELP_TAIL}`;
}

function optionLine({ name, value, help, fallback, isRequired }: OptionSyntax): string {
  const required = isRequired === true ? ' (required)' : '';
  const standard = fallback === undefined ? '' : ` (default ${fallback})`;
  const line = `  ${`--${name}=${value}`.padEnd(HELP_COLUMN)}${help}${required}`;
  return line.length + standard.length > SCREEN_COLUMNS ? line : line + standard;
}

const HELP_COLUMN = 26;
const SCREEN_COLUMNS = 80;

function textsOf(program: Command): Map<string, readonly string[]> {
  const given = new Map<string, readonly string[]>();
  for (const option of program.options) {
    const texts = program.getOptionValue(option.attributeName()) as readonly string[] | undefined;
    if (Array.isArray(texts)) given.set(option.long?.slice(2) ?? '', texts);
  }
  return given;
}

function checkTexts(texts: Map<string, readonly string[]>): CommandLine {
  const typed = new Set(texts.keys());
  for (const { name, fallback, isRequired, problem } of OPTIONS) {
    const given = texts.get(name);
    if (given === undefined && isRequired === true) {
      const expected = problem('') ?? 'expected a value';
      return { kind: 'usage', problem: `option --${name} is missing: ${expected}` };
    }
    for (const text of given ?? []) {
      const found = problem(text);
      if (found === undefined) continue;
      return { kind: 'usage', problem: `option --${name}: "${text}" is not valid: ${found}` };
    }
    if (given === undefined && fallback !== undefined) texts.set(name, [fallback]);
  }
  const options = optionsOf(texts);
  const problem = problemTogether(options, texts, typed);
  return problem === undefined ? { kind: 'run', options } : { kind: 'usage', problem };
}

/** What no option can see alone. */
function problemTogether(
  { base, sizeBytes, faults, profile, statsFile }: CliOptions,
  texts: ReadonlyMap<string, readonly string[]>,
  typed: ReadonlySet<string>,
): string | undefined {
  if (addressPlus(base, sizeBytes - 1) === undefined) {
    return (
      `option --size: "${texts.get('size')?.at(-1)}" is not valid: expected a size with which ` +
      `memory from ${texts.get('base')?.at(-1)} on ends within 64 bits of address`
    );
  }
  if (typed.has('stats-interval') && statsFile === undefined) {
    return 'option --stats-interval needs --stats-file: it says how often that file is written';
  }
  if (typed.has('seed') && faults.length === 0 && profile === 'auto') {
    return 'option --seed needs --fault or --profile: without them nothing is left to chance';
  }
  return undefined;
}

function problemOf(error: CommanderError): string {
  const [, quoted = ''] = /'([^']*)'/.exec(error.message) ?? [];
  const seeHelp = `expected one of those that ${COMMAND_NAME} --help lists`;
  switch (error.code) {
    case 'commander.unknownOption':
      return `unknown option "${quoted}": ${seeHelp}`;
    case 'commander.optionMissingArgument': {
      const name = /--([a-z-]+)/.exec(quoted)?.[1] ?? '';
      const syntax = OPTIONS.find((each) => each.name === name);
      return `option --${name} has no value: ${syntax?.problem('') ?? 'expected one'}`;
    }
    case 'commander.excessArguments':
      return `there is an argument too many: expected options only, as ${COMMAND_NAME} --help says`;
    default:
      return error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  }
}

function versionOfPackage(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function habitLines(): string {
  const entries = Object.entries(HABIT_FAULTS);
  return entries.map(([name, { means }]) => `      ${name.padEnd(18)}${means}`).join('\n');
}

const HELP_TAIL = `  --help-faults             what --fault takes
  -h, --help, -V, --version print this, or the version, and end
When it serves, it prints: ready: endpoint MAC on NETDEV, SIZE bytes at 0xBASE
Exit codes: 0 done, 1 failed, 2 usage, 3 not permitted, 5 no such interface
Examples:
  ${COMMAND_NAME} --netdev=eth1 --size=8G
  ${COMMAND_NAME} --netdev=veth1 --size=1G --fault=loss=1% --seed=7
`;

/** What `--help-faults` prints. */
export const FAULTS_HELP: string = `Faults, per direction (rx: what the endpoint receives, tx: what it sends; without either, both):
  [rx:|tx:]FAULT=VALUE[,FAULT=VALUE...]
    loss=P          frames are lost with probability P (1% or 0.01)
    dup=P           frames arrive twice
    reorder=P[/N]   frames are overtaken by up to N others (default 3)
    corrupt=P       one bit of a frame is inverted
    delay=D[±D]     frames take so long (2ms±1ms)
    stall=P[/D]     with probability P per frame nothing moves for a while (default 100ms)
    deny=P          requests are refused; has no direction
    spoil=P         answers with data are marked corrupt; has no direction
    habit=NAME      play a plain endpoint (or the one of --profile) with a habit of real ones:
${habitLines()}
`;
