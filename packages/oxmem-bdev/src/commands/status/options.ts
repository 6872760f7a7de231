import { helpLine, type CommandShape } from '../../cli/command-parser.ts';
import {
  readValues,
  type ReadValues,
  type ValueRules,
  type ValueTexts,
} from '../../cli/value-rules.ts';

/** The command line of `oxmem-bdev status`. */
export interface StatusOptions {
  readonly json: boolean;
}

const RULES: ValueRules<StatusOptions> = {
  json: {
    flag: '--json',
    help: 'as JSON, with names that stay',
    expected: 'no value',
    parse: () => true,
    fallback: false,
  },
};

/** How `oxmem-bdev status` is called. */
export const STATUS_SHAPE: CommandShape<StatusOptions> = {
  name: 'oxmem-bdev status',
  rules: RULES,
  helpText: () =>
    [
      'Usage: oxmem-bdev status [--json]',
      'Shows every NBD device that is attached: who serves it, from which endpoint,',
      'and who uses it. Without root, not all of its users can be seen.',
      ...Object.values(RULES).map(helpLine),
      helpLine({ flag: '-h, --help', help: 'print this and end' }),
      'Exit codes: 0 done; 2 usage',
      '',
    ].join('\n'),
  excessSentence: (operand) => `"${operand}" is too much: status shows all devices.`,
};

/** Reads the texts of the command line. */
export function readStatusOptions(texts: ValueTexts): ReadValues<StatusOptions> {
  return readValues(RULES, texts);
}
