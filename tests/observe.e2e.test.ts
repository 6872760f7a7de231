/** Real drivers that are looked at: `top`, `status`, a stats file and metrics. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runClient } from './lab-program.ts';
import { NbdSocketClient } from './nbd-socket-client.ts';
import { OxmemLab, driverCommand } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';

describeRequiring(['netns', 'raw-socket'], 'a driver that works', () => {
  let lab: OxmemLab;
  beforeEach(async () => {
    lab = await OxmemLab.open();
  });
  afterEach(async () => {
    await lab.close();
  });

  it('is seen by top and status, in its stats file and its metrics', async () => {
    await lab.startEndpoint('16M');
    const stats = lab.path('stats.json');
    const driver = await lab.startDriver({
      args: [`--stats-file=${stats}`, '--stats-interval=0.2', '--metrics=127.0.0.1:0'],
    });
    const { program, socketPath } = driver;
    const status = JSON.parse(await runClient([...driverCommand, 'status', '--json'])) as {
      exports: unknown[];
    };
    expect(status.exports).toEqual([
      expect.objectContaining({
        place: `unix:${socketPath}`,
        pid: program.pid,
        endpoint: lab.wire.peer.mac,
        state: 'serving',
      }),
    ]);
    const client = await NbdSocketClient.open(socketPath);
    const watching = lab.start([...driverCommand, 'top', '--interval=200ms']);
    const deadline = Date.now() + 20_000;
    const isSeen = (): boolean => /device=oxmem read=[1-9].* read_p50=\d/.test(watching.stdout);
    while (!isSeen() && Date.now() < deadline) await client.read(0, 65_536);
    expect(watching.stdout).toMatch(
      new RegExp(`^pid=${program.pid} endpoint=${lab.wire.peer.mac} state=serving window=`, 'm'),
    );
    expect(watching.stdout).toMatch(
      /device=oxmem read=[1-9][\d.]*[kM]?B\/s .*read_p50=[\d.]+[um]?s/,
    );
    expect((await watching.stop('SIGINT')).code).toBe(0);
    const [, address = ''] = /metrics at (http:\S+)/.exec(program.stderr) ?? [];
    const text = await (await fetch(address)).text();
    const [, bytes] = /^oxmem_device_bytes_total\{device="oxmem",op="read"\} (\d+)$/m.exec(text)!;
    expect(Number(bytes)).toBeGreaterThan(0);
    await client.disconnect();
    await program.stop();
    const last = JSON.parse(readFileSync(stats, 'utf8')) as Record<string, unknown>;
    expect(last).toMatchObject({ interval_seconds: 0.2, read: { bytes: Number(bytes) } });
    const [, logged] = /reads of (\d+) bytes/.exec(program.stderr)!;
    expect(logged).toBe(bytes);
    expect(await runClient([...driverCommand, 'top', '--once'])).toMatch(/^No oxmem-bdev runs/);
  });
});
