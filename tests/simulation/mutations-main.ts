/**
 * `pnpm sim:mutations [NAME...]`: plants known bugs, one at a time, and shows that the simulation
 * finds each within a stated number of seeds.
 */
import { MUTATIONS } from './mutations.ts';
import { plantMutations } from './plant-mutation.ts';

/** @returns the exit code: 0 all found, 1 one was missed, 2 there is no such bug */
async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => MUTATIONS.every((each) => each.name !== name));
  if (unknown !== undefined) {
    const known = MUTATIONS.map(({ name }) => name).join(', ');
    process.stderr.write(`sim:mutations: there is no "${unknown}"; there are ${known}.\n`);
    return 2;
  }
  const wanted = MUTATIONS.filter(({ name }) => names.length === 0 || names.includes(name));
  let missed = 0;
  await plantMutations(wanted, ({ mutation, found, seconds }) => {
    if (found === undefined) missed++;
    const verdict = found ?? `MISSED by ${mutation.withinSeeds} seeds`;
    console.log(`${mutation.name} (${mutation.bug})\n    ${verdict}  [${seconds.toFixed(1)} s]`);
  });
  console.log(
    missed === 0
      ? `sim:mutations: all ${wanted.length} planted bugs were found.`
      : `sim:mutations: ${missed} of ${wanted.length} planted bugs were missed.`,
  );
  return missed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
