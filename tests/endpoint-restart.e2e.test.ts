/** An endpoint that is killed and started again while a driver works with it. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { NbdSocketClient } from './nbd-socket-client.ts';
import { OxmemLab } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';
import { VerifiedLoad } from './verified-load.ts';

const MIB = 2 ** 20;
const QUICK = '--request-timeout=200ms';

describeRequiring(['netns', 'raw-socket'], 'an endpoint that is killed under load', () => {
  let lab: OxmemLab;
  beforeEach(async () => {
    lab = await OxmemLab.open();
  });
  afterEach(async () => {
    await lab.close();
  });

  it('and comes back with its memory is gone on with, and nobody notices', async () => {
    const backing = `--backing=${lab.path('memory')}`;
    let endpoint = await lab.startEndpoint('16M', [backing]);
    const { program, socketPath } = await lab.startDriver({
      args: [QUICK, '--endpoint-lost=wait'],
    });
    const client = await NbdSocketClient.open(socketPath);
    const load = new VerifiedLoad(client, { seed: 1, start: 0, bytes: 8 * MIB });
    for (let times = 1; times <= 2; times++) {
      await load.reach(times * 500);
      await lab.crash(endpoint);
      endpoint = await lab.startEndpoint('16M', [backing]);
      await load.reach(times * 500 + 200);
    }
    await load.finishAndCompare();
    await client.disconnect();
    expect(program.stderr.match(/holds what was written: requests are served again/g)).toHaveLength(
      2,
    );
    expect((await program.stop()).code).toBe(0);
  });

  it('and comes back empty is not taken for the old one: nothing but errors', async () => {
    const endpoint = await lab.startEndpoint('16M');
    const { program, socketPath } = await lab.startDriver({
      args: [QUICK, '--endpoint-lost=wait'],
    });
    const client = await NbdSocketClient.open(socketPath);
    const load = new VerifiedLoad(client, { seed: 2, start: 0, bytes: 4 * MIB });
    await load.reach(500);
    await lab.crash(endpoint);
    await lab.startEndpoint('16M');
    // No request of it was answered wrongly: the first bad thing was an error.
    await expect(load.finish()).rejects.toThrow(/error 5/);
    await program.waitFor('stderr', /does not hold what was written, .* every request fails/);
    for (let i = 0; i < 16; i++) {
      await expect(client.read(i * MIB, 4096)).rejects.toThrow(/error 5/);
    }
    await expect(client.write(0, Buffer.alloc(4096))).rejects.toThrow(/error 5/);
    await client.disconnect();
    expect((await program.stop()).code).toBe(0);
  });
});
