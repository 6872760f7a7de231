import { parseArgs } from 'node:util';

/** What `pnpm sim` is asked to do. */
export type SimOptions =
  /** One run, of a seed or of a plan in a file. */
  | {
      readonly kind: 'replay';
      readonly seed: number | undefined;
      readonly planFile: string | undefined;
      readonly hasTrace: boolean;
    }
  /** Many runs. */
  | {
      readonly kind: 'swarm';
      readonly firstSeed: number;
      /** Infinity: until the time is over. */
      readonly runs: number;
      readonly minutes: number;
      readonly workers: number;
      /** Whether a failing plan is made smaller. */
      readonly shrinks: boolean;
    }
  /** Works for a swarm, told by messages. */
  | { readonly kind: 'worker' }
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'problem'; readonly text: string };

/** Reads the command line. */
export function readOptions(argv: readonly string[], defaults: { workers: number }): SimOptions {
  let values: Values;
  try {
    values = parseArgs({ args: [...argv], options: OPTIONS, strict: true }).values;
  } catch (thrown) {
    return problem(thrown instanceof Error ? thrown.message : String(thrown));
  }
  if (values.help === true) return { kind: 'print', text: USAGE };
  if (values.worker === true) return { kind: 'worker' };
  for (const name of NUMBERS) {
    const text = values[name];
    if (text === undefined || isNumber(name, text)) continue;
    return problem(
      `--${name}=${text} is not ${name === 'minutes' ? 'a number' : 'a whole number'}`,
    );
  }
  const isReplay = values.seed !== undefined || values.plan !== undefined;
  const isSwarm = values.runs !== undefined || values.minutes !== undefined;
  if (isReplay === isSwarm || (values.seed !== undefined && values.plan !== undefined)) {
    return problem('say one of --seed, --plan, --minutes and --runs');
  }
  if (isReplay) {
    const seed = values.seed === undefined ? undefined : Number(values.seed);
    return { kind: 'replay', seed, planFile: values.plan, hasTrace: values.trace === true };
  }
  return {
    kind: 'swarm',
    firstSeed: Number(values['first-seed'] ?? randomSeed()),
    runs: Number(values.runs ?? Infinity),
    minutes: Number(values.minutes ?? Infinity),
    workers: Number(values.workers ?? defaults.workers),
    shrinks: values['no-shrink'] !== true,
  };
}

export const USAGE = `Usage: pnpm sim --seed N [--trace]     run one seed, and show what happens
       pnpm sim --plan FILE [--trace]  run a plan that a failure has left
       pnpm sim --runs N               run so many seeds
       pnpm sim --minutes M            run seeds for so long
       (npm run sim -- ... does the same)

Drivers, an endpoint and the wires between them in virtual time, everything from a seed; see
docs/testing.md. A seed that breaks an invariant is shrunk and shown with the command that runs it.

  --first-seed N  the first seed of many; else by chance. From 1 on in npm test
  --workers N     processes; as many as there are processors unless told
  --no-shrink     show a failing seed as it is

Exit code: 0 every invariant held, 1 one did not, 2 the command line is wrong.
`;

const OPTIONS = {
  seed: { type: 'string' },
  plan: { type: 'string' },
  trace: { type: 'boolean' },
  minutes: { type: 'string' },
  runs: { type: 'string' },
  'first-seed': { type: 'string' },
  workers: { type: 'string' },
  worker: { type: 'boolean' },
  'no-shrink': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

interface Values {
  seed?: string;
  plan?: string;
  trace?: boolean;
  minutes?: string;
  runs?: string;
  'first-seed'?: string;
  workers?: string;
  worker?: boolean;
  'no-shrink'?: boolean;
  help?: boolean;
}

const NUMBERS = ['seed', 'minutes', 'runs', 'first-seed', 'workers'] as const;

function isNumber(name: (typeof NUMBERS)[number], text: string): boolean {
  if (name === 'minutes') return /^\d+(\.\d+)?$/.test(text) && Number(text) > 0;
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) return false;
  return name === 'seed' || name === 'first-seed' || Number(text) > 0;
}

function problem(text: string): SimOptions {
  return { kind: 'problem', text };
}

/** Where nobody has been, most likely. */
function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 40);
}
