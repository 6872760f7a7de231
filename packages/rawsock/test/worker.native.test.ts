import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as network from './private-network.ts';

const obstacle = network.obstacleToNativeTests();
const script = new URL('./fixtures/open-in-worker.mjs', import.meta.url);
const packageRoot = fileURLToPath(new URL('..', import.meta.url));

describe.skipIf(obstacle !== undefined)('native sockets in worker threads', () => {
  beforeAll(() => network.addVethPair('oxwork0', 'oxwork1', 1500));
  afterAll(() => network.removeInterface('oxwork0'));

  for (const ending of ['close', 'exit', 'throw', 'terminate'] as const) {
    for (const busyPollMicros of [0, 1000]) {
      test(`exchange frames and end by ${ending} (busy poll ${busyPollMicros})`, async () => {
        const before = openDescriptors();
        for (let i = 0; i < 3; i++) await runWorker(ending, busyPollMicros);
        expect(openDescriptors()).toBe(before);
      });
    }
  }

  test('work in two threads at once', async () => {
    await Promise.all([runWorker('close', 0), runWorker('close', 0)]);
  });
});

async function runWorker(ending: string, busyPollMicros: number): Promise<void> {
  const interfaces = ['oxwork0', 'oxwork1'];
  const worker = new Worker(script, {
    workerData: { packageRoot, interfaces, busyPollMicros, ending },
  });
  const errors: Error[] = [];
  const reports: { received: number }[] = [];
  worker.on('error', (error) => errors.push(error as Error));
  worker.on('message', (report: { received: number }) => {
    reports.push(report);
    if (ending === 'terminate') void worker.terminate();
  });
  await new Promise((resolve) => worker.once('exit', resolve));
  expect(reports).toHaveLength(1);
  expect(reports[0]?.received).toBeGreaterThanOrEqual(1000);
  const expected = ending === 'throw' ? ['thrown in a handler'] : [];
  expect(errors.map((error) => error.message)).toEqual(expected);
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
