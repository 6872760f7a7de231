/** What the shells themselves make of the completion scripts. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandPackages, shellDocuments } from '../scripts/documents/shell-documents.mjs';
import { runClient } from './lab-program.ts';
import { driverCommand } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';

const documents: Record<string, string> = Object.assign({}, ...commandPackages.map(shellDocuments));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'oxmem-completion-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Writes the completion of a command for a shell and returns its path. */
function script(shell: string, command: string): string {
  const isOfBoth = ([path]: [string, string]): boolean =>
    path.includes(`/${shell}/`) && new RegExp(`/_?${command}(\\.fish)?$`).test(path);
  const [, text = ''] = Object.entries(documents).find(isOfBoth) ?? [];
  const file = join(folder, `${shell}-${command}`);
  writeFileSync(file, text);
  return file;
}

/** What is typed, and what must (and must not) be offered then. */
const cases: readonly { typed: string; offered: readonly string[]; not?: string }[] = [
  { typed: 'oxmem-bdev d', offered: ['detach', 'doctor'], not: 'status' },
  { typed: 'oxmem-bdev --data', offered: ['--data-order'], not: '--device' },
  { typed: 'oxmem-bdev --data-order=', offered: ['raw', 'spec'] },
  { typed: 'oxmem-bdev --data-order s', offered: ['spec'], not: 'raw' },
  { typed: 'oxmem-bdev --netdev=', offered: readdirSync('/sys/class/net').slice(0, 1) },
  { typed: 'oxmem-bdev --device=a', offered: ['auto'] },
  { typed: 'oxmem-bdev --netdev=lo --atta', offered: ['--attach'], not: 'detach' },
  { typed: 'oxmem-bdev status --', offered: ['--json', '--help'], not: '--netdev' },
  { typed: 'oxmem-bdev completion ', offered: ['bash', 'zsh', 'fish'] },
  { typed: 'oxmem-sim-endpoint --range=', offered: ['deny', 'wrap'] },
  { typed: 'oxmem-tloe de', offered: ['decode'], not: 'check' },
  { typed: 'oxmem-tloe check --only=x --j', offered: ['--junit'], not: '--json' },
  { typed: 'oxmem-sim-endpoint --profile=memn', offered: ['memnode'], not: 'etri' },
];

/** A shell that is asked what it would offer: one word a line, what comes behind it does not count. */
const shells: Record<string, (file: string, typed: string) => string[]> = {
  bash: (file, typed) => [
    'bash',
    '--norc',
    '-c',
    `source "$1"; COMP_LINE=$2 COMP_POINT=\${#2} COMP_WORDBREAKS=$' =:'
     ${`_\${3//-/_}`}; printf '%s\\n' "\${COMPREPLY[@]}"`,
    'bash',
    file,
    typed,
    typed.split(' ')[0] ?? '',
  ],
  fish: (file, typed) => ['fish', '--no-config', '-c', `source ${file}; complete -C '${typed}'`],
  zsh: (file, typed) => [
    'zsh',
    '-f',
    '-c',
    // A shell in a terminal of its own, in which Tab is pressed.
    `zmodload zsh/zpty; zpty shell zsh -f -i
     zpty -w shell "PS1=; autoload -Uz compinit; compinit -u -d ${folder}/dump; source '$1'"
     zpty -w shell "zstyle ':completion:*' list-grouped no; LISTMAX=0; stty columns 60; bindkey '^X' list-choices; echo REA''DY"
     zpty -r shell line '*READY*'
     zpty -n -w shell "$2"$'\\C-x'
     sleep 1
     zpty -n -w shell $'\\C-u'"echo EN''D"$'\\n'
     zpty -r shell line '*END*'; print -r -- "$line"`,
    'zsh',
    file,
    typed,
  ],
};

describe.each(Object.keys(shells))('completion in %s', (shell) => {
  describeRequiring([`command:${shell}`], 'offers', () => {
    // On a busy machine a shell loses what is typed while it completes, and nothing more comes.
    it.each(cases)(
      'for "$typed"',
      { retry: shell === 'zsh' ? 2 : 0 },
      async ({ typed, offered, not }) => {
        const file = script(shell, typed.split(' ')[0] ?? '');
        const env = { HOME: folder, TERM: 'dumb' };
        const said = await runClient(shells[shell]!(file, typed), { env, timeoutMs: 20_000 });
        // Behind a tab, fish has the meaning.
        const words = said.replaceAll(/\t.*/g, '').split(/[^\w-]+/);
        expect(words).toEqual(expect.arrayContaining([...offered]));
        if (not !== undefined) expect(words).not.toContain(not);
      },
    );
  });
});

it('the driver prints the script that the package has', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const printed = await runClient([...driverCommand, 'completion', shell]);
    expect(Object.values(documents)).toContain(printed);
  }
});
