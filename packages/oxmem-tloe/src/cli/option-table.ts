import { parseArgs } from 'node:util';

/** One option: how it looks, and how its value is read. */
export interface OptionSyntax {
  readonly name: string;
  /** Another name of one letter. */
  readonly short?: string;
  /** Stands for the value in the help; undefined: the option takes none. */
  readonly value?: string;
  readonly help: string;
  readonly isRequired?: boolean;
  /** Asks for a text and nothing else: required options may be missing. */
  readonly isQuestion?: boolean;
  readonly isRepeatable?: boolean;
  /** Says what is expected if a value is not valid; undefined: it is valid. */
  readonly problem?: (text: string) => string | undefined;
}

/** One command of the program. */
export interface CommandSyntax {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  readonly usage: string;
  readonly options: readonly OptionSyntax[];
  /** Arguments that are no options: the most there may be. */
  readonly maxArguments: number;
  /** What else the help says. */
  readonly tail: string;
}

/** What a command was told: the texts of each option given, and the arguments that are no options. */
export interface GivenTexts {
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly rest: readonly string[];
}

/** @returns the texts, all of them valid; or what is wrong, without a stop at its end */
export function readArguments(
  syntax: CommandSyntax,
  argv: readonly string[],
): GivenTexts | { readonly problem: string } {
  const options = new Map<string, string[]>();
  const rest: string[] = [];
  const config = Object.fromEntries(
    syntax.options.map(({ name, short, value }) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        ...(short && { short }),
      },
    ]),
  );
  const { tokens } = parseArgs({
    args: [...argv],
    options: config,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'positional') rest.push(token.value);
    if (token.kind !== 'option') continue;
    const option = syntax.options.find(({ name }) => name === token.name);
    const problem = problemOfToken(syntax, option, token);
    if (problem !== undefined) return { problem };
    options.set(token.name, [...(options.get(token.name) ?? []), token.value ?? '']);
  }
  const problem = problemOfAll(syntax, options, rest);
  return problem === undefined ? { options, rest } : { problem };
}

interface OptionToken {
  readonly rawName: string;
  readonly value?: string | undefined;
}

function problemOfToken(
  syntax: CommandSyntax,
  option: OptionSyntax | undefined,
  { rawName, value }: OptionToken,
): string | undefined {
  if (option === undefined) {
    return `unknown option "${rawName}": expected one of those that oxmem-tloe ${syntax.name} --help lists`;
  }
  if (option.value === undefined) {
    return value === undefined ? undefined : `option ${rawName} takes no value, but has "${value}"`;
  }
  const expected = option.problem?.(value ?? '');
  if (value === undefined) {
    return `option ${rawName} has no value: expected ${option.problem?.('') ?? option.value}`;
  }
  return expected && `option ${rawName}: "${value}" is not valid: expected ${expected}`;
}

function problemOfAll(
  syntax: CommandSyntax,
  options: ReadonlyMap<string, readonly string[]>,
  rest: readonly string[],
): string | undefined {
  const isQuestion = syntax.options.some((each) => each.isQuestion && options.has(each.name));
  if (isQuestion) return undefined;
  for (const { name, isRequired, problem } of syntax.options) {
    if (isRequired === true && !options.has(name)) {
      return `option --${name} is missing: expected ${problem?.('') ?? 'a value'}`;
    }
  }
  if (rest.length <= syntax.maxArguments) return undefined;
  return `there is an argument too many, "${rest[syntax.maxArguments]}": expected ${syntax.usage}`;
}

/** The help of a command, for 80 columns. */
export function helpOf(syntax: CommandSyntax): string {
  const rows = syntax.options.map(({ name, short, value, help, isRequired }) => {
    const head = `${short === undefined ? '' : `-${short}, `}--${name}${value ? `=${value}` : ''}`;
    return `  ${head.padEnd(21)} ${help}${isRequired === true ? ' (required)' : ''}`;
  });
  return [
    `usage: oxmem-tloe ${syntax.usage}`,
    '',
    syntax.summary,
    '',
    ...rows,
    syntax.tail,
    '',
  ].join('\n');
}
