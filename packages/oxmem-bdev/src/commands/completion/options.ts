import { helpLine, type CommandShape } from '../../cli/command-parser.ts';
import { COMPLETION_SHELLS, type CompletionShell } from '../../cli/completion-script.ts';
import type { ReadValues } from '../../cli/value-rules.ts';

/** The command line of `oxmem-bdev completion`. */
export interface CompletionOptions {
  readonly shell: CompletionShell;
}

const SHELL_EXPECTED = 'bash, zsh or fish';

/** How `oxmem-bdev completion` is called. */
export const COMPLETION_SHAPE: CommandShape<object> = {
  name: 'oxmem-bdev completion',
  rules: {},
  operand: { name: 'SHELL', expected: SHELL_EXPECTED },
  helpText: () =>
    [
      'Usage: oxmem-bdev completion bash|zsh|fish',
      'Prints the script that completes this command in a shell. For this session:',
      'source <(oxmem-bdev completion bash), or the same with zsh, or in fish:',
      'oxmem-bdev completion fish | source.',
      helpLine({ flag: '-h, --help', help: 'print this and end' }),
      'Exit codes: 0 done; 2 usage',
      '',
    ].join('\n'),
  excessSentence: (operand) => `"${operand}" is one shell too many: completion takes one.`,
};

/** Reads the operand. */
export function readCompletionOptions(operand: string): ReadValues<CompletionOptions> {
  const shell = COMPLETION_SHELLS.find((each) => each === operand);
  if (shell !== undefined) return { isValid: true, options: { shell } };
  const sentence = `SHELL: ${JSON.stringify(operand)} will not do, it takes ${SHELL_EXPECTED}.`;
  return { isValid: false, sentence };
}
