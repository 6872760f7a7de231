import { parseArgs } from 'node:util';

/**
 * @typedef {object} BenchOptions
 * @property {'full' | 'quick' | 'smoke'} size which rows, and how long
 * @property {number} pairs measurements of each row beside its reference
 * @property {number} seconds of one measurement
 * @property {number} warmUpSeconds before each
 * @property {number} referenceSeconds of one measurement of a reference that is no scene
 * @property {number} steadySeconds of rows that look for rare events
 * @property {number} heapRequests that the row about the heap makes
 * @property {number} sizeBytes of the memory
 * @property {readonly string[]} rows parts of row names; empty: all
 * @property {string | undefined} json file for the results; undefined: a new one under results/
 * @property {string | undefined} cpuProf folder for CPU profiles
 * @property {string[]} driverArgs more options for the driver
 * @property {boolean} isList only print the names of the rows
 * @property {boolean} isRecorded keep the results in bench/history, too
 */

export const USAGE = `usage: pnpm bench [options]

  --quick              the main rows, fewer pairs: two to three minutes (all: half an hour)
  --rows=TEXT[,TEXT]   only rows whose name contains one of these: --rows='seq read,d1'
  --list               print the names of the rows
  --pairs=N            measure each row so often beside its reference (default 5, quick 3)
  --seconds=N          each time for so long (default 1, quick 0.6)
  --json=FILE          where the results go as JSON (default results/bench-TIME.json)
  --record             keep the results in bench/history, too
  --cpu-prof=FOLDER    write CPU profiles of all programs there (slows them a little)
  --driver-arg=ARG     another option for oxmem-bdev, may be repeated: --driver-arg=--window=64
  --smoke              every kind of row once and very short: shows that it runs, not how fast
  -h, --help
`;

const mebi = 1024 * 1024;
const sizes = {
  full: {
    pairs: 5,
    seconds: 1,
    warmUpSeconds: 0.3,
    referenceSeconds: 0.5,
    steadySeconds: 60,
    heapRequests: 1_000_000,
    sizeBytes: 64 * mebi,
  },
  quick: {
    pairs: 3,
    seconds: 0.6,
    warmUpSeconds: 0.2,
    referenceSeconds: 0.3,
    steadySeconds: 5,
    heapRequests: 50_000,
    sizeBytes: 64 * mebi,
  },
  smoke: {
    pairs: 1,
    seconds: 0.1,
    warmUpSeconds: 0.05,
    referenceSeconds: 0.1,
    steadySeconds: 0.2,
    heapRequests: 500,
    sizeBytes: 16 * mebi,
  },
};

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
        quick: { type: 'boolean' },
        smoke: { type: 'boolean' },
        rows: { type: 'string' },
        list: { type: 'boolean' },
        pairs: { type: 'string' },
        seconds: { type: 'string' },
        json: { type: 'string' },
        record: { type: 'boolean' },
        'cpu-prof': { type: 'string' },
        'driver-arg': { type: 'string', multiple: true },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    return { problem: /** @type {Error} */ (error).message };
  }
  if (values.help === true) return { print: USAGE };
  const size = values.smoke === true ? 'smoke' : values.quick === true ? 'quick' : 'full';
  const preset = sizes[size];
  const pairs = Number(values.pairs ?? preset.pairs);
  if (!(Number.isInteger(pairs) && pairs >= 1 && pairs <= 100)) {
    return { problem: `--pairs: "${values.pairs}" is not a whole number from 1 to 100` };
  }
  const seconds = Number(values.seconds ?? preset.seconds);
  if (!(seconds >= 0.05 && seconds <= 600)) {
    return { problem: `--seconds: "${values.seconds}" is not a number from 0.05 to 600` };
  }
  return {
    options: {
      ...preset,
      size,
      pairs,
      seconds,
      rows: (values.rows ?? '').split(',').filter((text) => text !== ''),
      json: values.json,
      cpuProf: values['cpu-prof'],
      driverArgs: values['driver-arg'] ?? [],
      isList: values.list ?? false,
      isRecorded: values.record ?? false,
    },
  };
}
