import { defineConfig } from 'vitest/config';

/** One tree, several kinds of tests; the suffix says what a test needs (see docs/testing.md). */
const kinds = [
  {
    name: 'unit',
    include: ['**/*.test.ts'],
    exclude: ['**/*.{property,sim,native,e2e,kernel}.test.ts'],
  },
  { name: 'property', include: ['**/*.property.test.ts'] },
  { name: 'sim', include: ['**/*.sim.test.ts'] },
  { name: 'native', include: ['**/*.native.test.ts'] },
  { name: 'e2e', include: ['**/*.e2e.test.ts'] },
  { name: 'kernel', include: ['**/*.kernel.test.ts'] },
];
/** Real sockets and real clients get the machine to themselves, one file after the other. */
const serial = new Set(['native', 'e2e', 'kernel']);
/** The kernel's tests run under emulation. */
const slow = new Set(['kernel']);

export default defineConfig({
  test: {
    projects: kinds.map(({ name, include, exclude = [] }) => ({
      resolve: { conditions: ['oxmem-source'] },
      ssr: { resolve: { conditions: ['oxmem-source'], externalConditions: ['oxmem-source'] } },
      test: {
        name,
        include: include.map((pattern) => `{packages,tests}/${pattern}`),
        exclude: ['**/node_modules/**', '**/dist/**', ...exclude],
        environment: 'node',
        pool: 'forks',
        fileParallelism: !serial.has(name),
        testTimeout: slow.has(name) ? 400_000 : serial.has(name) ? 120_000 : 30_000,
        hookTimeout: slow.has(name) ? 400_000 : 120_000,
      },
    })),
  },
});
