import type {
  CommandDescription,
  OptionDescription,
  ProgramDescription,
  ValueDescription,
} from './program-description.ts';

export const COMPLETION_SHELLS = ['bash', 'zsh', 'fish'] as const;
export type CompletionShell = (typeof COMPLETION_SHELLS)[number];

/** The script that completes a program's command line in a shell. */
export function completionScript(shell: CompletionShell, program: ProgramDescription): string {
  return `${WRITERS[shell](program).join('\n')}\n`;
}

const WRITERS: Record<CompletionShell, (program: ProgramDescription) => string[]> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** What every command takes, and what the program alone takes. */
function optionsOf({ name, options }: CommandDescription): OptionDescription[] {
  const version = name === '' ? [aSwitch('--version', 'print the version and end')] : [];
  return [...options, aSwitch('--help', 'print the help and end'), ...version];
}

function aSwitch(long: string, help: string): OptionDescription {
  const value = { choices: [], kind: 'other', expected: 'no value' } as const;
  return { long, group: '', help, placeholder: undefined, value };
}

/** bash: needs nothing of the package bash-completion, and does not trip over = in a word. */
function bashScript({ name, commands }: ProgramDescription): string[] {
  const id = identifier(name);
  const names = commandNames(commands);
  return [
    `# bash completion of ${name}; made by it`,
    `_${id}() {`,
    `  local line=\${COMP_LINE:0:COMP_POINT} command= option= candidates=`,
    `  local word=\${line##*[[:space:]]} words`,
    `  read -ra words <<<"$line"`,
    `  [[ $line == *[[:space:]] ]] && words+=('')`,
    `  local previous=\${words[\${#words[@]}-2]} value=$word`,
    ...(names.length === 0
      ? []
      : [
          `  if ((\${#words[@]} > 2)); then`,
          `    case \${words[1]} in ${names.join('|')}) command=\${words[1]} ;; esac`,
          `  fi`,
        ]),
    `  if [[ $word == --*=* ]]; then`,
    `    option=\${word%%=*} value=\${word#*=}`,
    `  else`,
    `    option=$previous`,
    `  fi`,
    `  COMPREPLY=()`,
    `  case "$command $option" in`,
    ...commands.flatMap((command) =>
      command.options
        .filter(({ placeholder }) => placeholder !== undefined)
        .map(({ long, value }) => `    '${command.name} ${long}') ${bashCandidates(value)} ;;`),
    ),
    `    *)`,
    `      case $command in`,
    ...commands.map((command) => `        '${command.name}') ${bashWords(command, commands)} ;;`),
    `      esac`,
    `      mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$word")`,
    `      [[ \${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null`,
    `      return`,
    `      ;;`,
    `  esac`,
    `  [[ -z $candidates ]] || mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$value")`,
    `  # Where = does not end a word, the whole word is replaced.`,
    `  if [[ $word == --*=* && $COMP_WORDBREAKS != *=* ]]; then`,
    `    COMPREPLY=("\${COMPREPLY[@]/#/$option=}")`,
    `  fi`,
    `}`,
    `complete -F _${id} ${name}`,
  ];
}

function bashCandidates({ choices, kind }: ValueDescription): string {
  switch (kind) {
    case 'file':
      return 'mapfile -t COMPREPLY < <(compgen -f -- "$value"); compopt -o filenames 2>/dev/null';
    case 'interface':
      return `candidates=$(${INTERFACES})`;
    case 'device':
      return `candidates="${[...choices, "$(compgen -G '/dev/nbd*')"].join(' ')}"`;
    default:
      return `candidates='${choices.join(' ')}'`;
  }
}

function bashWords(command: CommandDescription, commands: readonly CommandDescription[]): string {
  const flags = optionsOf(command).map(({ long, placeholder }) =>
    placeholder === undefined ? long : `${long}=`,
  );
  const words = command.name === '' ? [...commandNames(commands), ...flags] : flags;
  const operand = command.operand === undefined ? '' : `${bashCandidates(command.operand)}; `;
  return `${operand}candidates+=' ${words.join(' ')}'`;
}

function zshScript({ name, commands }: ProgramDescription): string[] {
  const id = identifier(name);
  const [own, ...others] = commands;
  return [
    `#compdef ${name}`,
    `# zsh completion of ${name}; made by it`,
    `_${id}() {`,
    ...(others.length === 0
      ? []
      : [
          `  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then`,
          `    local -a commands=(`,
          ...others.map((each) => `      ${quoted(`${each.name}:${each.summary}`)}`),
          `    )`,
          `    _describe command commands`,
          `    return`,
          `  fi`,
          `  case $words[2] in`,
          ...others.flatMap((each) => [
            `    ${each.name})`,
            `      shift words`,
            `      (( CURRENT-- ))`,
            ...zshArguments(each).map((line) => `      ${line}`),
            `      return`,
            `      ;;`,
          ]),
          `  esac`,
        ]),
    ...(own === undefined ? [] : zshArguments(own).map((line) => `  ${line}`)),
    `}`,
    `if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _${id} "$@"; else compdef _${id} ${name}; fi`,
  ];
}

function zshArguments(command: CommandDescription): string[] {
  const { operand } = command;
  const places = [
    ...optionsOf(command).map(({ long, help, placeholder, value }) => {
      const about = `[${zshText(help)}]`;
      if (placeholder === undefined) return quoted(`${long}${about}`);
      return quoted(`${long}=${about}:${zshText(placeholder)}:${zshAction(value)}`);
    }),
    ...(operand === undefined ? [] : [quoted(`1:${operand.name}:${zshAction(operand)}`)]),
  ];
  return [
    '_arguments \\',
    ...places.map((place, i) => `  ${place}${i < places.length - 1 ? ' \\' : ''}`),
  ];
}

function zshAction({ choices, kind }: ValueDescription): string {
  switch (kind) {
    case 'file':
      return '_files';
    case 'interface':
      return `{compadd -- $(${INTERFACES})}`;
    case 'device':
      return `{compadd -- ${[...choices, '/dev/nbd<->(N)'].join(' ')}}`;
    default:
      return choices.length === 0 ? ' ' : `(${choices.join(' ')})`;
  }
}

function fishScript({ name, commands }: ProgramDescription): string[] {
  const names = commandNames(commands);
  return [
    `# fish completion of ${name}; made by it`,
    `complete -c ${name} -f`,
    ...commands.flatMap((command) => fishCommand(name, command, names)),
  ];
}

function fishCommand(
  program: string,
  command: CommandDescription,
  names: readonly string[],
): string[] {
  const seen = `__fish_seen_subcommand_from ${command.name === '' ? names.join(' ') : command.name}`;
  const isHere = command.name === '' ? `not ${seen}` : seen;
  const start = `complete -c ${program} -n ${quoted(names.length === 0 ? 'true' : isHere)}`;
  const { operand } = command;
  return [
    ...(command.name === ''
      ? []
      : [
          `complete -c ${program} -n '__fish_is_first_arg' -a ${command.name} ` +
            `-d ${fishText(command.summary)}`,
        ]),
    ...optionsOf(command).map(({ long, help, placeholder, value }) => {
      const takes = placeholder === undefined ? '' : ` ${fishValue(value)}`;
      return `${start} -l ${long.slice(2)}${takes} -d ${fishText(help)}`;
    }),
    ...(operand === undefined ? [] : [`${start} ${fishValue(operand).replace('-x ', '')}`]),
  ];
}

function fishValue({ choices, kind }: ValueDescription): string {
  switch (kind) {
    case 'file':
      return '-r -F';
    case 'interface':
      return `-x -a '(${INTERFACES})'`;
    case 'device':
      return `-x -a '${[...choices, '(ls -d /dev/nbd* 2>/dev/null)'].join(' ')}'`;
    default:
      return `-x -a '${choices.join(' ')}'`;
  }
}

function commandNames(commands: readonly CommandDescription[]): string[] {
  return commands.map(({ name }) => name).filter((name) => name !== '');
}

function identifier(name: string): string {
  return name.replaceAll('-', '_');
}

/** For bash and zsh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function zshText(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, (sign) => `\\${sign}`);
}

function fishText(text: string): string {
  return `'${text.replaceAll(/['\\]/g, (sign) => `\\${sign}`)}'`;
}

const INTERFACES = 'ls /sys/class/net';
