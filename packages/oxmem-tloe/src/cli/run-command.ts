import { readFileSync } from 'node:fs';
import { RawSocketError } from '@oxmem/rawsock';
import { ADDRESS_ZERO, parseAddress, parseMac, parseSize } from '@oxmem/tloe-protocol';
import { SCENARIOS } from '../check/scenarios/index.ts';
import { SCRATCH_MINIMUM_BYTES } from '../check/scratch-range.ts';
import { wiresharkDissector } from '../wireshark/dissector.ts';
import { COMMANDS, DECODE, DISSECTOR, parseEtherType } from './commands.ts';
import type { CliEnvironment } from './environment.ts';
import { ExitCode } from './exit-codes.ts';
import { helpOf, readArguments, type GivenTexts } from './option-table.ts';
import { listScenarios, runCheck } from './run-check.ts';
import { runDecode } from './run-decode.ts';

/** Runs the program with its arguments. Resolves with how to exit. */
export async function runCommand(
  argv: readonly string[],
  environment: CliEnvironment,
): Promise<ExitCode> {
  const [name, ...rest] = argv;
  if (name === '--version' || name === '-V') return print(environment, `${versionOfPackage()}\n`);
  if (name === '--help' || name === '-h' || name === 'help') return print(environment, overview());
  const syntax = COMMANDS.find((each) => each.name === name);
  if (syntax === undefined) {
    const what = name === undefined ? 'there is no command' : `unknown command "${name}"`;
    const names = COMMANDS.map((each) => each.name).join(', ');
    return complain(environment, `${what}: expected ${names} or --help`);
  }
  const given = readArguments(syntax, rest);
  if ('problem' in given) return complain(environment, given.problem);
  if (given.options.has('help')) return print(environment, helpOf(syntax));
  try {
    if (syntax === DISSECTOR) return print(environment, wiresharkDissector());
    return await (syntax === DECODE ? decode(given, environment) : check(given, environment));
  } catch (error) {
    if (!(error instanceof RawSocketError)) throw error;
    environment.stderr.write(`oxmem-tloe: ${error.message}\n`);
    return exitCodeOf(error);
  }
}

async function decode(given: GivenTexts, environment: CliEnvironment): Promise<ExitCode> {
  const [file] = given.rest;
  const netdev = textOf(given, 'netdev');
  if ((file === undefined) === (netdev === undefined)) {
    const expected = 'expected either a capture file, or - for standard input, or --netdev';
    return complain(environment, expected);
  }
  const { options } = given;
  const decodeOptions = {
    file,
    netdev,
    mac: parseMac(textOf(given, 'mac') ?? ''),
    etherType: parseEtherType(textOf(given, 'ether-type') ?? ''),
    isJson: options.has('json'),
    isQuiet: options.has('quiet'),
    hasSummary: options.has('summary'),
    onlyViolations: options.has('violations'),
  };
  return runDecode(decodeOptions, environment);
}

async function check(given: GivenTexts, environment: CliEnvironment): Promise<ExitCode> {
  if (given.options.has('list')) return print(environment, listScenarios());
  const only = given.options.get('only') ?? [];
  const unknown = only.find((each) => !SCENARIOS.some(({ name }) => name === each));
  if (unknown !== undefined) {
    const expected = 'expected a name that --list shows';
    return complain(environment, `option --only: "${unknown}" is not valid: ${expected}`);
  }
  const checkOptions = {
    netdev: textOf(given, 'netdev') ?? '',
    mac: parseMac(textOf(given, 'mac') ?? '') ?? new Uint8Array(6),
    etherType: parseEtherType(textOf(given, 'ether-type') ?? ''),
    scratch: {
      base: parseAddress(textOf(given, 'base') ?? '') ?? ADDRESS_ZERO,
      sizeBytes: parseSize(textOf(given, 'size') ?? '') ?? SCRATCH_MINIMUM_BYTES,
    },
    only,
    junit: textOf(given, 'junit'),
  };
  return runCheck(checkOptions, environment);
}

function textOf({ options }: GivenTexts, name: string): string | undefined {
  return options.get(name)?.at(-1);
}

function print({ stdout }: CliEnvironment, text: string): ExitCode {
  stdout.write(text);
  return ExitCode.done;
}

function complain({ stderr }: CliEnvironment, problem: string): ExitCode {
  stderr.write(`oxmem-tloe: ${problem}.\n`);
  return ExitCode.usage;
}

function overview(): string {
  const rows = COMMANDS.map(({ usage, summary }) => {
    return `  oxmem-tloe ${usage}\n      ${summary.replaceAll('\n', '\n      ')}\n`;
  });
  return [
    'oxmem-tloe: see and check OmniXtend (TileLink over Ethernet)\n',
    ...rows,
    'oxmem-tloe COMMAND --help says more; --version prints the version.\n',
  ].join('\n');
}

function versionOfPackage(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function exitCodeOf(error: RawSocketError): ExitCode {
  switch (error.code) {
    case 'ERR_RAWSOCK_PERMISSION':
      return ExitCode.notPermitted;
    case 'ERR_RAWSOCK_NO_INTERFACE':
    case 'ERR_RAWSOCK_INTERFACE_DOWN':
      return ExitCode.noAnswer;
    case 'ERR_RAWSOCK_CLOSED':
    case 'ERR_RAWSOCK_NO_ADDON':
    case 'ERR_RAWSOCK_OS':
      return ExitCode.failed;
  }
}
