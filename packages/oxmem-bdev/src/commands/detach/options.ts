import { SECOND, type Micros } from '@oxmem/tloe-protocol';

import { helpLine, type CommandShape } from '../../cli/command-parser.ts';
import { parseTimeout } from '../../cli/option-values.ts';
import {
  readValues,
  type ReadValues,
  type ValueRules,
  type ValueTexts,
} from '../../cli/value-rules.ts';

/** The command line of `oxmem-bdev detach`. */
export interface DetachOptions {
  /** A path below /dev. */
  readonly device: string;
  /** Also when somebody gets I/O errors by it. */
  readonly force: boolean;
  /** How long the driver may take. */
  readonly timeout: Micros;
}

const RULES: ValueRules<Omit<DetachOptions, 'device'>> = {
  force: {
    flag: '--force',
    help: 'also if it is in use, or its driver does not react',
    expected: 'no value',
    parse: () => true,
    fallback: false,
  },
  timeout: {
    flag: '--timeout=TIME',
    help: 'wait so long for the end (default 30s)',
    expected: 'a duration from 1ms to 10m, for example 30s',
    parse: parseTimeout,
    fallback: 30 * SECOND,
  },
};

const DEVICE_EXPECTED = 'a kernel device, for example /dev/nbd0';

/** How `oxmem-bdev detach` is called. */
export const DETACH_SHAPE: CommandShape<Omit<DetachOptions, 'device'>> = {
  name: 'oxmem-bdev detach',
  rules: RULES,
  operand: { name: 'DEV', expected: DEVICE_EXPECTED },
  helpText: () =>
    [
      'Usage: oxmem-bdev detach [--force] DEV',
      'Ends a kernel device: asks its driver to stop, and waits until the kernel has',
      'forgotten the device. With it go all devices of that driver. A device that no',
      'driver serves any more is disconnected.',
      ...Object.values(RULES).map(helpLine),
      helpLine({ flag: '-h, --help', help: 'print this and end' }),
      'A device that is in use (mounted, swap, part of another device) is left alone,',
      'and so is one of another program. --force disconnects it all the same: whoever',
      'uses it gets I/O errors, and the kernel keeps it until he lets go of it.',
      'Exit codes: 0 detached, or was not attached; 1 the driver does not react;',
      '2 usage; 3 not permitted; 4 in use, no such device, or kept by its users',
      '',
    ].join('\n'),
  excessSentence: (operand) => `"${operand}" is one device too many: detach takes one at a time.`,
};

/** Reads the texts of the command line. */
export function readDetachOptions(texts: ValueTexts, operand: string): ReadValues<DetachOptions> {
  if (!/^\/dev\/[^\s/]+$/.test(operand)) {
    const sentence = `DEV: ${JSON.stringify(operand)} will not do, it takes ${DEVICE_EXPECTED}.`;
    return { isValid: false, sentence };
  }
  const values = readValues(RULES, texts);
  if (!values.isValid) return values;
  return { isValid: true, options: { device: operand, ...values.options } };
}
