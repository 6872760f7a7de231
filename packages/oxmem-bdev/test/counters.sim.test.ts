import { BlockCommand, NbdErrno } from '@oxmem/nbd-protocol';
import { MILLISECOND, SECOND } from '@oxmem/tloe-protocol';
import { afterEach, describe, expect, it } from 'vitest';

import { createLogger } from '../src/observe/logger.ts';
import { logSummary } from '../src/observe/summary.ts';
import { LossRig } from './loss-rig.ts';

const { Read, Write, Flush, WriteZeroes, Trim } = BlockCommand;

describe('the counters of a driver', () => {
  let rig: LossRig;
  afterEach(async () => {
    await rig.close();
  });

  function lastLine(): string {
    const lines: string[] = [];
    const logger = createLogger('info', 'json', { write: (line) => lines.push(line) });
    const socket = { counters: () => ({}) as never };
    logSummary(logger, { memory: rig.memory, devices: rig.devices, socket, capture: undefined });
    return (JSON.parse(lines[0] ?? '') as { msg: string }).msg;
  }

  it('go on over a new connection to the endpoint', async () => {
    rig = new LossRig();
    await rig.open();
    const data = new Uint8Array(70_000).map((_, i) => i);
    for (let i = 0; i < 5; i++) await rig.done(Write, 0, data);
    const before = rig.memory.totals();
    expect(before.connections).toBe(1);
    expect(before.link.framesSent).toBeGreaterThan(300);
    rig.startEndpoint();
    expect((await rig.done(Read, 0, 4096)).error).toBe(NbdErrno.EIO);
    await rig.untilState('serving');
    await rig.done(Read, 0, 4096);
    const after = rig.memory.totals();
    expect(after.connections).toBe(2);
    expect(after.link.framesSent).toBeGreaterThan(before.link.framesSent);
    expect(after.host.framesReceived).toBeGreaterThan(before.host.framesReceived);
    expect(after.initiator.requestsCompleted).toBeGreaterThan(before.initiator.requestsCompleted);
    const { framesReceived, framesSent } = after.host;
    expect(lastLine()).toMatch(
      `1 reads of 4096 bytes, 5 writes of 350000 bytes, 1 failed, ` +
        `${framesReceived} frames received, ${framesSent} sent`,
    );
  });

  it('count what was done, each failure once, and how long reads and writes took', async () => {
    rig = new LossRig({ faults: { delayMicros: 3 * MILLISECOND } });
    await rig.open();
    await rig.done(Write, 0, new Uint8Array(512));
    await rig.done(Read, 0, 512);
    await rig.done(Read, 0, 1024);
    await rig.done(WriteZeroes, 0, 250_000);
    await rig.done(Flush, 0, 0);
    await rig.done(Trim, 0, 512);
    const { stats } = rig.device;
    expect(stats).toMatchObject({
      reads: 2,
      bytesRead: 1536,
      writes: 1,
      bytesWritten: 512,
      zeroings: 1,
      flushes: 1,
      trims: 1,
      failures: 0,
    });
    expect([stats.readLatency.count, stats.writeLatency.count]).toEqual([2, 1]);
    for (const latency of [stats.readLatency, stats.writeLatency]) {
      expect(latency.percentile(0.5)).toBeGreaterThanOrEqual(6 * MILLISECOND);
      expect(latency.percentile(0.5)).toBeLessThanOrEqual(12 * MILLISECOND);
    }
    rig.setCut(true);
    const request = rig.submit(Read, 0, 512);
    expect(rig.device.inFlight).toBe(1);
    await rig.until(() => request.isDone);
    expect(rig.device.inFlight).toBe(0);
    expect(stats).toMatchObject({ reads: 2, failures: 1 });
    expect(stats.readLatency.count).toBe(2);
  });

  it('have the waiting in the time of a request that waited for its endpoint', async () => {
    rig = new LossRig({ options: ['--endpoint-lost=wait'] });
    await rig.open();
    await rig.done(Write, 0, new Uint8Array(512).fill(7));
    rig.setCut(true);
    const request = rig.submit(Read, 0, 512);
    await rig.pass(20 * SECOND);
    rig.setCut(false);
    await rig.until(() => request.isDone);
    expect(rig.device.stats.readLatency.percentile(0.5)).toBeGreaterThanOrEqual(20 * SECOND);
  });
});
