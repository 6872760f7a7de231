/** `pnpm sim:mutations`: shows that the simulation finds planted bugs (docs/testing.md). */
import { runTypescript } from './sim.mjs';

process.exitCode = await runTypescript('tests/simulation/mutations-main.ts', process.argv.slice(2));
