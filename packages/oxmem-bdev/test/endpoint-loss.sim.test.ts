import { BlockCommand, NbdErrno } from '@oxmem/nbd-protocol';
import { SECOND, type Micros } from '@oxmem/tloe-protocol';
import { afterEach, describe, expect, it } from 'vitest';

import { PATIENCE_MICROS } from '../src/endpoint/endpoint-memory.ts';
import { LossRig, type LossRigOptions } from './loss-rig.ts';
import type { TestRequest } from './test-request.ts';

const { Read, Write, Flush, WriteZeroes } = BlockCommand;
/** What `--request-timeout=1s` promises. */
const PROMISED: Micros = 5 * SECOND;
const NOTHING = 0;
const OPENING_FRAMES = 5;

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + seed) & 0xff);
}

describe('an endpoint that goes away', () => {
  let rig: LossRig;
  afterEach(async () => {
    await rig.close();
  });

  /** A driver that has written something. */
  async function start(options: LossRigOptions = {}): Promise<Uint8Array> {
    rig = new LossRig(options);
    await rig.open();
    const data = pattern(70_000, 1);
    expect((await rig.done(Write, 0, data)).error).toBe(NbdErrno.OK);
    return data;
  }

  async function expectRead(data: Uint8Array): Promise<void> {
    const request = await rig.done(Read, 0, data.length);
    expect(request.error).toBe(NbdErrno.OK);
    expect(Buffer.compare(request.data, data)).toBe(0);
  }

  async function expectFailsInTime(request: TestRequest): Promise<void> {
    const begun = rig.clock.now();
    await rig.until(() => request.isDone);
    expect(request.error).toBe(NbdErrno.EIO);
    expect(rig.clock.now() - begun).toBeLessThanOrEqual(PROMISED);
  }

  describe('with --endpoint-lost=fail', () => {
    it('and comes back with its connection serves on over it', async () => {
      const data = await start();
      rig.setCut(true);
      await expectFailsInTime(rig.submit(Read, 0, 4096));
      rig.setCut(false);
      await rig.untilState('serving');
      expect(rig.told).toEqual(['lost', 'recovered']);
      await expectRead(data);
    });

    it('for long, and comes back, serves on over a new connection', async () => {
      const data = await start();
      rig.setCut(true);
      await expectFailsInTime(rig.submit(Write, 100_000, data));
      await rig.pass(60 * SECOND);
      expect((await rig.done(Flush, 0, NOTHING)).error).toBe(NbdErrno.EIO);
      rig.setCut(false);
      await rig.untilState('serving');
      expect(rig.told).toEqual(['lost', 'given up: silent', 'proven']);
      await expectRead(data);
      expect((await rig.done(Flush, 0, NOTHING)).error).toBe(NbdErrno.OK);
    });

    it('and was restarted with its memory serves on, soon after it is back', async () => {
      const data = await start();
      rig.startEndpoint();
      await expectFailsInTime(rig.submit(Read, 0, 4096));
      const begun = rig.clock.now();
      await rig.untilState('serving');
      expect(rig.clock.now() - begun).toBeLessThan(4 * SECOND);
      await expectRead(data);
    });

    it('and was restarted empty fails all I/O, and serves again when the memory is back', async () => {
      const data = await start();
      const { contents } = rig;
      rig.startEndpoint(rig.emptyMemory());
      await expectFailsInTime(rig.submit(Read, 0, 4096));
      await rig.untilState('doubtful');
      const outcomes = [
        await rig.done(Read, 0, 4096),
        await rig.done(Write, 100_000, pattern(4096, 2)),
        await rig.done(WriteZeroes, 0, 100_000),
        await rig.done(Flush, 0, NOTHING),
      ];
      expect(outcomes.map(({ error }) => error)).toEqual(outcomes.map(() => NbdErrno.EIO));
      expect(outcomes[0]?.text).toBe('the memory endpoint may have lost what was written');
      await rig.pass(60 * SECOND);
      expect(rig.told.filter((line) => line.startsWith('disproved'))).toHaveLength(1);
      expect(rig.contents.region.bytes.every((byte) => byte === 0)).toBe(true);
      rig.startEndpoint(contents);
      await rig.untilState('serving');
      await expectRead(data);
    });

    it('acknowledges everything and answers nothing: requests fail in time', async () => {
      await start();
      const peer = rig.startPeer();
      rig.submit(Read, 0, 512);
      await rig.untilState('lost');
      await rig.untilState('serving');
      peer.responder.onMessage = () => true;
      await expectFailsInTime(rig.submit(Read, 0, 4096));
      await expectFailsInTime(rig.submit(Write, 0, pattern(4096, 3)));
    });

    it('and closes the connection is asked for another one at once', async () => {
      const data = await start();
      const peer = rig.startPeer();
      rig.submit(Read, 0, 512);
      await rig.until(() => peer.link.state === 'open' && rig.memory.state === 'serving');
      peer.link.close(rig.clock.now());
      peer.host.wake();
      await rig.untilState('quiet');
      expect((await rig.done(Read, 0, 512)).error).toBe(NbdErrno.EIO);
      rig.startEndpoint();
      await rig.untilState('serving');
      expect(rig.told.slice(-2)).toEqual(['given up: closed by the endpoint', 'proven']);
      await expectRead(data);
    });
  });

  describe('with --endpoint-lost=wait', () => {
    const options = ['--endpoint-lost=wait'];

    it('and was restarted with its memory: what waits is done, and nothing has failed', async () => {
      const data = await start({ options });
      rig.startEndpoint();
      const next = pattern(70_000, 9);
      const open = [
        rig.submit(Write, 70_000, next),
        rig.submit(Read, 0, 70_000),
        rig.submit(WriteZeroes, 140_000, 100_000),
        rig.submit(Flush, 0, NOTHING),
      ];
      await rig.until(() => open.every(({ isDone }) => isDone));
      expect(open.map(({ error }) => error)).toEqual(open.map(() => NbdErrno.OK));
      expect(Buffer.compare(open[1]?.data ?? next, data)).toBe(0);
      expect(rig.told).toEqual(['lost', 'given up: silent', 'proven']);
      expect(rig.clock.now()).toBeLessThan(6 * SECOND);
      const read = await rig.done(Read, 70_000, 70_000);
      expect(Buffer.compare(read.data, next)).toBe(0);
    });

    it('and stays away for an hour is waited for', async () => {
      const data = await start({ options });
      rig.setCut(true);
      const waiting = rig.submit(Read, 0, data.length);
      await rig.pass(3600 * SECOND);
      const late = rig.submit(Write, 100_000, data);
      expect([waiting.isDone, late.isDone]).toEqual([false, false]);
      rig.setCut(false);
      await rig.until(() => waiting.isDone && late.isDone, 20 * SECOND);
      expect([waiting.error, late.error]).toEqual([NbdErrno.OK, NbdErrno.OK]);
    });

    it('and was restarted empty: what waited fails, and what comes fails at once', async () => {
      await start({ options });
      rig.startEndpoint(rig.emptyMemory());
      const waiting = [rig.submit(Read, 0, 512), rig.submit(Write, 100_000, pattern(9000, 4))];
      await rig.until(() => waiting.every(({ isDone }) => isDone));
      expect(waiting.map(({ error }) => error)).toEqual([NbdErrno.EIO, NbdErrno.EIO]);
      expect(rig.told.at(-1)).toMatch(/^disproved: byte \d+ and those after it are not what/);
      expect(rig.submit(Read, 0, 512).error).toBe(NbdErrno.EIO);
      expect(rig.contents.region.bytes.every((byte) => byte === 0)).toBe(true);
    });

    it('and closes the connection: requests wait for the next one', async () => {
      const data = await start({ options });
      const peer = rig.startPeer();
      const first = rig.submit(Read, 0, 512);
      await rig.until(() => first.isDone);
      peer.responder.onMessage = () => true;
      const waiting = rig.submit(Read, 0, data.length);
      await rig.pass(SECOND / 100);
      peer.link.close(rig.clock.now());
      peer.host.wake();
      await rig.untilState('quiet');
      rig.startEndpoint();
      await rig.until(() => waiting.isDone);
      expect([waiting.error, Buffer.compare(waiting.data, data)]).toEqual([NbdErrno.OK, 0]);
    });
  });

  it('while it proves what it holds: the proof is tried again on the next connection', async () => {
    const data = await start({ options: ['--endpoint-lost=wait'] });
    rig.startEndpoint();
    const waiting = rig.submit(Read, 0, data.length);
    await rig.untilState('proving');
    rig.startEndpoint();
    await rig.untilState('quiet');
    await rig.until(() => waiting.isDone);
    expect([waiting.error, Buffer.compare(waiting.data, data)]).toEqual([NbdErrno.OK, 0]);
  });

  it('before anything was seen of it: the old connection is tried on, and no other', async () => {
    rig = new LossRig();
    await rig.open();
    rig.setCut(true);
    await expectFailsInTime(rig.submit(Read, 0, 4096));
    await rig.pass(600 * SECOND);
    expect(rig.told).toEqual(['lost', 'still lost: no proof possible']);
    rig.setCut(false);
    await rig.untilState('serving');
    expect((await rig.done(Read, 0, 4096)).error).toBe(NbdErrno.OK);
  });

  it('with --endpoint-restarted=fail: the old connection is tried on, and no other', async () => {
    const data = await start({ options: ['--endpoint-restarted=fail'] });
    rig.setCut(true);
    await expectFailsInTime(rig.submit(Read, 0, 4096));
    await rig.pass(600 * SECOND);
    expect(rig.told).toEqual(['lost', 'still lost: not wanted']);
    rig.setCut(false);
    await rig.untilState('serving');
    await expectRead(data);
    rig.startEndpoint();
    await expectFailsInTime(rig.submit(Read, 0, 4096));
    await rig.pass(600 * SECOND);
    expect(rig.memory.state).toBe('lost');
  });

  it('and takes a second Open for a repetition: the old connection is tried on', async () => {
    const data = await start({ options: ['--profile=wdhw'] });
    rig.setCut(true);
    await expectFailsInTime(rig.submit(Read, 0, 4096));
    await rig.pass(600 * SECOND);
    expect(rig.told).toEqual(['lost', 'still lost: second Open not understood']);
    rig.setCut(false);
    await rig.untilState('serving');
    await expectRead(data);
  });

  it('by closing, with nothing to prove itself by: I/O fails until somebody acts', async () => {
    rig = new LossRig({ options: ['--endpoint-restarted=fail', '--endpoint-lost=wait'] });
    const peer = rig.startPeer();
    void rig.memory.open(5 * SECOND);
    await rig.untilState('serving');
    peer.link.close(rig.clock.now());
    peer.host.wake();
    await rig.untilState('stranded');
    expect(rig.submit(Read, 0, 512).error).toBe(NbdErrno.EIO);
    expect(rig.told).toEqual(['stranded: not wanted']);
  });

  it('with one device of several: what another one has seen proves it', async () => {
    rig = new LossRig({ options: ['--num=2', '--endpoint-lost=wait'] });
    await rig.open();
    const data = pattern(4096, 1);
    expect((await rig.done(Write, 0, data)).error).toBe(NbdErrno.OK);
    rig.startEndpoint();
    await expectRead(data);
    expect(rig.told.at(-1)).toBe('proven');
  });

  it('has frames of the old connection on the way: a new one begins when they have arrived', async () => {
    await start();
    rig.setCut(true);
    await expectFailsInTime(rig.submit(Write, 200_000, pattern(512, 100)));
    await rig.pass(PATIENCE_MICROS - SECOND);
    // What is resended now comes to the endpoint after the connection has been given up.
    rig.setFaults({ reorder: 1, reorderDepthFrames: 64, reorderHoldMicros: 0.9 * SECOND });
    await rig.untilState('quiet');
    rig.setFaults({});
    const sent = rig.framesSent;
    const givenUpAt = rig.clock.now();
    await rig.untilState('opening');
    expect(rig.framesSent).toBe(sent + OPENING_FRAMES);
    expect(rig.clock.now() - givenUpAt).toBe(SECOND);
    // It has landed: nobody holds a copy of it any more.
    expect(rig.contents.region.bytes.subarray(200_000, 200_512)).toEqual(pattern(512, 100));
    await rig.untilState('serving');
    expect((await rig.done(Write, 200_000, pattern(512, 200))).error).toBe(NbdErrno.OK);
    await rig.pass(10 * SECOND);
    expect(rig.contents.region.bytes.subarray(200_000, 200_512)).toEqual(pattern(512, 200));
  });

  it('is never asked over the old connection after it was asked for a new one', async () => {
    await start({ options: ['--endpoint-lost=wait'] });
    const { contents } = rig;
    rig.endEndpoint();
    rig.submit(Write, 100_000, pattern(512, 100));
    await rig.untilState('opening');
    // It hears the Open, and is not heard.
    rig.setFaults({});
    rig.setDeaf(true);
    rig.startEndpoint();
    await rig.pass(30 * SECOND);
    expect(contents.region.bytes.subarray(100_000, 100_512)).toEqual(new Uint8Array(512));
  });

  it('while the driver closes the connection: it ends as soon as it would anyway', async () => {
    await start({ options: ['--request-timeout=10ms'] });
    rig.endEndpoint();
    rig.submit(Read, 0, 4096);
    let how: string | undefined;
    void rig.memory.close().then((result) => (how = result));
    await rig.pass(0.6 * SECOND);
    expect(how).toBe('unanswered');
  });

  it.each(['lost', 'quiet', 'opening', 'proving', 'doubtful'] as const)(
    'and is %s when the driver is stopped: what waits fails, and it ends in time',
    async (state) => {
      const data = await start({ options: ['--endpoint-lost=wait'] });
      const isEmpty = state === 'doubtful';
      rig.startEndpoint(isEmpty ? rig.emptyMemory() : rig.contents);
      if (state === 'opening') rig.setCut(true);
      const waiting = rig.submit(Read, 0, data.length);
      await rig.untilState(state);
      let how: string | undefined;
      void rig.memory.close().then((result) => (how = result));
      expect(waiting.isDone).toBe(true);
      await rig.pass(SECOND);
      expect(how).toBeDefined();
      expect(rig.submit(Read, 0, 512).error).toBe(NbdErrno.ESHUTDOWN);
    },
  );
});
