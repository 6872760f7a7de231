import { parseArgs } from 'node:util';

/**
 * @typedef {object} BenchOptions
 * @property {number} seconds measured per row
 * @property {number} warmUpSeconds before that
 * @property {number} ceilingSeconds per measurement of the ceiling
 * @property {number} ceilingRuns measurements before and after each block
 * @property {number} sizeBytes of the memory
 * @property {string[]} rows parts of row names; empty: all
 * @property {string | undefined} json file for the results; undefined: a new one under results/
 * @property {string | undefined} cpuProf folder for CPU profiles
 * @property {string[]} driverArgs more options for the driver
 * @property {boolean} smoke
 */

export const USAGE = `usage: pnpm bench [options]

  --seconds=N          measure each row for so long (default 2)
  --rows=TEXT[,TEXT]   only rows whose name contains one of these: --rows='nbd mtu 1500 seq,d1'
  --json=FILE          where the results go as JSON (default results/bench-TIME.json)
  --cpu-prof=FOLDER    write CPU profiles of all programs there (slows them a little)
  --driver-arg=ARG     another option for oxmem-bdev, may be repeated: --driver-arg=--window=64
  --smoke              everything once and very short: shows that it runs, not how fast
  -h, --help
`;

const mebi = 1024 * 1024;
const full = { seconds: 2, warmUpSeconds: 0.7, ceilingSeconds: 0.5, ceilingRuns: 3 };
const short = { seconds: 0.15, warmUpSeconds: 0.05, ceilingSeconds: 0.1, ceilingRuns: 1 };

/**
 * @param {readonly string[]} args
 * @returns {{ options: BenchOptions } | { print: string } | { problem: string }}
 */
export function parseOptions(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args].filter((arg) => arg !== '--'),
      options: {
        seconds: { type: 'string' },
        rows: { type: 'string' },
        json: { type: 'string' },
        'cpu-prof': { type: 'string' },
        'driver-arg': { type: 'string', multiple: true },
        smoke: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    return { problem: /** @type {Error} */ (error).message };
  }
  if (values.help === true) return { print: USAGE };
  const { smoke = false, rows = '' } = values;
  const preset = smoke ? short : full;
  const seconds = Number(values.seconds ?? preset.seconds);
  if (!(seconds >= 0.05 && seconds <= 600)) {
    return { problem: `--seconds: "${values.seconds}" is not a number from 0.05 to 600` };
  }
  return {
    options: {
      ...preset,
      seconds,
      sizeBytes: (smoke ? 4 : 32) * mebi,
      rows: rows.split(',').filter((text) => text !== ''),
      json: values.json,
      cpuProf: values['cpu-prof'],
      driverArgs: values['driver-arg'] ?? [],
      smoke,
    },
  };
}
