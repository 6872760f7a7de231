import { SECOND, type Micros } from '@oxmem/tloe-protocol';
import { parseDuration } from '@oxmem/tloe-protocol/text';

import { helpLine, type CommandShape } from '../../cli/command-parser.ts';
import { atLeast, atMost } from '../../cli/option-values.ts';
import {
  readValues,
  type ReadValues,
  type ValueRules,
  type ValueTexts,
} from '../../cli/value-rules.ts';

/** The command line of `oxmem-bdev top`. */
export interface TopOptions {
  readonly interval: Micros;
  /** After the first interval it ends. */
  readonly once: boolean;
}

const RULES: ValueRules<TopOptions> = {
  interval: {
    flag: '--interval=TIME',
    help: 'time between two pictures (default 1s)',
    expected: 'a duration from 200ms to 10m, for example 1s',
    parse: (text) => atLeast(SECOND / 5, atMost(600 * SECOND, parseDuration(text))),
    fallback: SECOND,
  },
  once: {
    flag: '--once',
    help: 'one picture, and end',
    expected: 'no value',
    parse: () => true,
    fallback: false,
  },
};

/** How `oxmem-bdev top` is called. */
export const TOP_SHAPE: CommandShape<TopOptions> = {
  name: 'oxmem-bdev top',
  rules: RULES,
  helpText: () =>
    [
      'Usage: oxmem-bdev top [--interval=TIME] [--once]',
      'Shows what the drivers in this network namespace do: throughput, requests and',
      'their latency for each device, window, credits and frames sent again. On a',
      'terminal it draws a picture until q or Ctrl-C; elsewhere it prints lines.',
      ...Object.values(RULES).map(helpLine),
      helpLine({ flag: '-h, --help', help: 'print this and end' }),
      'Exit codes: 0 done; 2 usage',
      '',
    ].join('\n'),
  excessSentence: (operand) => `"${operand}" is too much: top shows all drivers.`,
};

/** Reads the texts of the command line. */
export function readTopOptions(texts: ValueTexts): ReadValues<TopOptions> {
  return readValues(RULES, texts);
}
