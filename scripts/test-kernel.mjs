/**
 * `npm run test:kernel`: the set-up, then the tests that want a real kernel's block device, as
 * `npm test` runs them. `npm run test:kernel -- nbd-device -t fio` passes filters on to vitest.
 */
import { bootstrap } from './bootstrap.mjs';
import { takeHostKernel } from './kernel-lab/host-kernel.mjs';
import { whyNoLab } from './kernel-lab/lab-tools.mjs';
import { createProgress } from './progress.mjs';
import { printFailure, SetupError } from './setup-error.mjs';
import { runTests } from './test.mjs';
import { printReport } from './test-report.mjs';

const startedMs = performance.now();
try {
  const { env } = await bootstrap({ progress: createProgress() });
  if (process.env['OXMEM_KERNEL'] === '0') delete process.env['OXMEM_KERNEL'];
  const reason = whyNoLab();
  const host = reason === undefined ? undefined : takeHostKernel();
  host?.release();
  if (reason !== undefined && host === undefined) {
    throw new SetupError('No kernel to test on.', reason);
  }
  const cases = await runTests(env, ['--project=kernel', ...process.argv.slice(2)]);
  const seconds = (performance.now() - startedMs) / 1000;
  process.exitCode = printReport(cases, { seconds }) ? 0 : 1;
} catch (error) {
  printFailure(error);
  console.log('0 passed, 1 failed, 0 skipped');
  process.exitCode = 1;
}
