/**
 * `pnpm fuzz`: the fuzzing from the command line. Started by scripts/fuzz.mjs, which lets node run
 * TypeScript.
 */
import { parseArgs } from 'node:util';
import { FUZZ_TARGETS } from './targets.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import {
  describeFailure,
  replay,
  runTarget,
  type FuzzCount,
  type FuzzFailure,
} from './run-target.ts';

const HELP = `Usage: pnpm fuzz [TARGET...] [--minutes=M] [--seed=N] [--genes=LIST]
Feeds hostile input, every target in turn, until the time is up (1 minute) or a law is broken.
  --seed=N      begin with this seed instead of one by chance
  --genes=LIST  play the one case again that a failure has named, of one target
Targets:
${FUZZ_TARGETS.map(({ name, about }) => `  ${name.padEnd(12)}${about}`).join('\n')}
`;

interface Wish {
  readonly targets: readonly FuzzTarget[];
  readonly minutes: number;
  readonly seed: number;
  /** The one case to be played. */
  readonly genes: readonly number[] | undefined;
}

function readWish(args: readonly string[]): Wish | string {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      minutes: { type: 'string', default: '1' },
      seed: { type: 'string' },
      genes: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return HELP;
  const names = positionals.length > 0 ? positionals : FUZZ_TARGETS.map(({ name }) => name);
  const targets = names.map((name) => FUZZ_TARGETS.find((target) => target.name === name));
  const minutes = Number(values.minutes);
  const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
  if (!(minutes > 0) || !Number.isSafeInteger(seed) || targets.includes(undefined)) {
    throw new Error(`a target, --minutes or --seed is wrong.\n${HELP}`);
  }
  if (values.genes !== undefined && targets.length !== 1) {
    throw new Error('--genes is for one target: name it.');
  }
  const genes = values.genes?.split(',').map(Number);
  return { targets: targets as FuzzTarget[], minutes, seed, genes };
}

function fuzz({ targets, minutes, seed: firstSeed, genes }: Wish): number {
  if (genes !== undefined) return report(replay(targets[0] as FuzzTarget, genes)) ? 1 : 0;
  const startedMs = performance.now();
  const count: FuzzCount = { cases: 0, frames: 0 };
  let shownMs = startedMs;
  for (let seed = firstSeed; performance.now() - startedMs < minutes * 60_000; seed++) {
    for (const target of targets) {
      if (report(runTarget(target, seed, count))) return 1;
      const now = performance.now();
      if (now - shownMs < 1000) continue;
      shownMs = now;
      showProgress(count, { seconds: (now - startedMs) / 1000, target, seed });
    }
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const { cases, frames } = count;
  process.stdout.write(`fuzz: no law broken, ${cases} cases, ${frames} frames, ${seconds} s\n`);
  return 0;
}

/** @returns whether there is one */
function report(failure: FuzzFailure | undefined): boolean {
  if (failure !== undefined) process.stdout.write(`\n${describeFailure(failure)}\n`);
  return failure !== undefined;
}

function showProgress(
  { cases, frames }: FuzzCount,
  at: { readonly seconds: number; readonly target: FuzzTarget; readonly seed: number },
): void {
  const line = `fuzz: ${at.seconds.toFixed(0)} s, ${cases} cases, ${frames} frames`;
  const place = `${at.target.name}, seed ${at.seed}`;
  process.stderr.write(process.stderr.isTTY ? `\r${line} (${place})   ` : `${line} (${place})\n`);
}

try {
  const wish = readWish(process.argv.slice(2));
  if (typeof wish === 'string') process.stdout.write(wish);
  else process.exitCode = fuzz(wish);
} catch (error) {
  process.stderr.write(`fuzz: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
