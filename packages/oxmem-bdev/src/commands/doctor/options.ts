import type { Micros, RemoteAddress } from '@oxmem/tloe-protocol';

import { helpLine, type CommandShape } from '../../cli/command-parser.ts';
import { DEFAULT_DEVICE, OPTION_RULES } from '../../cli/options.ts';
import {
  readValues,
  type ReadValues,
  type ValueRules,
  type ValueTexts,
} from '../../cli/value-rules.ts';

/** The command line of `oxmem-bdev doctor`. */
export interface DoctorOptions {
  /** Undefined: no interface is looked at. */
  readonly netdev: string | undefined;
  /** Of the endpoint, 6 bytes; undefined: none is asked. */
  readonly mac: Uint8Array | undefined;
  /** Address of the word that is read. */
  readonly base: RemoteAddress;
  /** A path below /dev, or `auto`. */
  readonly device: string;
  readonly openTimeout: Micros;
}

const RULES: ValueRules<DoctorOptions> = {
  netdev: { ...OPTION_RULES.netdev, help: 'look at this network interface', fallback: undefined },
  mac: { ...OPTION_RULES.mac, help: 'ask the endpoint at this address', fallback: undefined },
  base: { ...OPTION_RULES.base, help: 'read there from the endpoint (default 0x0)' },
  device: {
    ...OPTION_RULES.device,
    help: 'look at this kernel device (default /dev/nbd0)',
    fallback: DEFAULT_DEVICE,
  },
  openTimeout: OPTION_RULES.openTimeout,
};

/** How `oxmem-bdev doctor` is called. */
export const DOCTOR_SHAPE: CommandShape<DoctorOptions> = {
  name: 'oxmem-bdev doctor',
  rules: RULES,
  helpText: () =>
    [
      'Usage: oxmem-bdev doctor [--netdev=DEV] [--mac=MAC] [--device=DEV]',
      'Looks whether a driver could work here, one line for each thing looked at: ok,',
      'warn or fail, what was found, and what to do about it. Nothing is changed; with',
      '--netdev and --mac it opens a connection to the endpoint for a moment, reads 8',
      'bytes, and closes it.',
      ...Object.values(RULES).map(helpLine),
      helpLine({ flag: '-h, --help', help: 'print this and end' }),
      'Exit codes: 0 nothing failed; else that of the first line that says fail:',
      '1 native addon, 2 usage, 3 not permitted, 4 no module or device, 5 no endpoint',
      '',
    ].join('\n'),
  excessSentence: (operand) =>
    `"${operand}" is not an option; every argument is one, like --netdev=eth0 (see oxmem-bdev ` +
    'doctor --help).',
};

/** Reads the texts of the command line. */
export function readDoctorOptions(texts: ValueTexts): ReadValues<DoctorOptions> {
  const values = readValues(RULES, texts);
  if (!values.isValid || values.options.mac === undefined) return values;
  if (values.options.netdev !== undefined) return values;
  return {
    isValid: false,
    sentence: `--mac needs --netdev: ${RULES.netdev.expected}, through which to ask.`,
  };
}
