import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

/**
 * @typedef {object} SoakOptions
 * @property {number} seconds
 * @property {number} seed
 * @property {string | undefined} results folder; undefined: a new one under results/
 * @property {string[]} driverArgs more options for the driver
 */

export const USAGE = `usage: pnpm soak --hours=H | --minutes=M [options]

Real frames between the driver and an endpoint whose network and life go wrong, every byte compared.

  --hours=H, --minutes=M  how long; both add up, one minute at least
  --seed=N                what goes wrong when, and what is read and written (default: random)
  --results=FOLDER        samples.jsonl, report.json, report.txt (default results/soak-TIME)
  --driver-arg=ARG        another option for oxmem-bdev, may be repeated: --driver-arg=--window=64
  -h, --help

Ctrl-C ends it early, with the report. Exit code 0: no wrong byte, nothing grew, nothing hung.
`;

/**
 * @param {readonly string[]} args
 * @returns {{ options: SoakOptions } | { print: string } | { problem: string }}
 */
export function parseOptions(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args: args.filter((arg) => arg !== '--'),
      options: {
        hours: { type: 'string' },
        minutes: { type: 'string' },
        seed: { type: 'string' },
        results: { type: 'string' },
        'driver-arg': { type: 'string', multiple: true },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    return { problem: /** @type {Error} */ (error).message };
  }
  if (values.help === true) return { print: USAGE };
  const { hours, minutes, seed } = values;
  if (hours === undefined && minutes === undefined) {
    return { problem: 'how long? Give --hours=H or --minutes=M' };
  }
  for (const [name, text] of Object.entries({ hours, minutes })) {
    if (text !== undefined && !/^\d+(\.\d+)?$/.test(text)) {
      return { problem: `--${name}: "${text}" is not a number such as 8 or 0.5` };
    }
  }
  if (seed !== undefined && !/^\d{1,15}$/.test(seed)) {
    return { problem: `--seed: "${seed}" is not a whole number of up to 15 digits` };
  }
  const seconds = Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60;
  if (!(seconds >= 60 && seconds <= 30 * 86_400)) {
    return { problem: 'a run takes from one minute to 720 hours' };
  }
  return {
    options: {
      seconds,
      seed: seed === undefined ? randomInt(2 ** 32) : Number(seed),
      results: values.results,
      driverArgs: values['driver-arg'] ?? [],
    },
  };
}
