/**
 * `npm run test:kernel`: the set-up, then the tests that want a real kernel's block device, on a
 * kernel of their own. `npm run test:kernel -- nbd-device -t fio` passes filters on to vitest.
 *
 * `npm test` runs them too where OXMEM_KERNEL=1 is set.
 */
import { bootstrap } from './bootstrap.mjs';
import { provideKernelLab } from './kernel-lab/guest.mjs';
import { whyNoLab } from './kernel-lab/lab-tools.mjs';
import { createProgress } from './progress.mjs';
import { printFailure, SetupError } from './setup-error.mjs';
import { runTests } from './test.mjs';
import { printReport } from './test-report.mjs';

process.env['OXMEM_KERNEL'] = '1';
const startedMs = performance.now();
const progress = createProgress();
try {
  const { env } = await bootstrap({ progress });
  const reason = whyNoLab();
  if (reason !== undefined) throw new SetupError('No kernel to test on.', reason);
  await provideKernelLab(progress);
  const cases = await runTests(env, ['--project=kernel', ...process.argv.slice(2)]);
  const seconds = (performance.now() - startedMs) / 1000;
  process.exitCode = printReport(cases, { seconds }) ? 0 : 1;
} catch (error) {
  printFailure(error);
  console.log('0 passed, 1 failed, 0 skipped');
  process.exitCode = 1;
}
