/** Several drivers on one endpoint, over a bridge, at the same time. */
import { FrameType } from '@oxmem/tloe-protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { NbdSocketClient } from './nbd-socket-client.ts';
import { OxmemLab } from './oxmem-lab.ts';
import { FrameSender, makeFrame, messageWord } from './raw-frames.ts';
import { describeRequiring } from './requires.ts';
import { VerifiedLoad } from './verified-load.ts';

const MIB = 2 ** 20;

describeRequiring(['netns', 'raw-socket'], 'two drivers on one endpoint', () => {
  let lab: OxmemLab;
  beforeEach(async () => {
    lab = await OxmemLab.open({ places: 3 });
  });
  afterEach(async () => {
    await lab.close();
  });

  it('keep disjoint ranges apart while both work, and a stranger disturbs neither', async () => {
    const endpoint = await lab.startEndpoint('64M', ['--log-format=json']);
    const first = await lab.startDriver({ place: 0, size: '32M' });
    const second = await lab.startDriver({ place: 1, size: '32M', args: ['--base=0x2000000'] });
    const clients = [
      await NbdSocketClient.open(first.socketPath),
      await NbdSocketClient.open(second.socketPath),
    ] as const;
    const loads = clients.map(
      (client, index) => new VerifiedLoad(client, { seed: index + 1, start: 0, bytes: 8 * MIB }),
    );
    const stranger = new FrameSender(lab.place(2).name);
    const addresses = { to: lab.wire.peer.mac, from: lab.place(2).mac };
    const flits = [messageWord({ channel: 1, opcode: 0, sizeLog2: 3 }), 0x2000000n, ~0n & MASK64];
    const frame = makeFrame({ ...addresses, sequenceNumber: 5, flits, mask: 1n });
    const close = makeFrame({ ...addresses, type: FrameType.close, sequenceNumber: 1 });
    for (let round = 1; round <= 50; round++) {
      stranger.send(frame);
      stranger.send(close);
      await Promise.all(loads.map((load) => load.reach(round * 40)));
    }
    stranger.close();
    for (const load of loads) await load.finishAndCompare();
    await Promise.all(clients.map((client) => client.disconnect()));
    await first.program.stop();
    // The second one's data again, now through the first one's place and the whole memory.
    const whole = await lab.startDriver({ place: 0 });
    const client = await NbdSocketClient.open(whole.socketPath);
    await loads[0]?.finishAndCompare(client);
    await loads[1]?.finishAndCompare(client, 32 * MIB);
    await client.disconnect();
    await second.program.stop();
    const { stderr } = await endpoint.stop();
    const summary = JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as Summary;
    expect(summary.counters.connections).toMatchObject({ opened: 3, framesUnconnected: 100 });
  });

  it('are let in as long as there is room, and the next as soon as one has left', async () => {
    await lab.startEndpoint('1M', ['--max-connections=1']);
    const first = await lab.startDriver({ place: 0 });
    const args = ['--open-timeout=500ms'];
    const refused = await lab.startDriver({ place: 1, args, isReadyAwaited: false });
    const { code, stderr } = await refused.program.waitForEnd(5_000);
    expect(code).toBe(5);
    expect(stderr).toContain('No endpoint answers');
    await first.program.stop();
    const next = await lab.startDriver({ place: 1, args });
    await next.program.stop();
  });
});

interface Summary {
  readonly counters: { readonly connections: Readonly<Record<string, number>> };
}

const MASK64 = (1n << 64n) - 1n;
