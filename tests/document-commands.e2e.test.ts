/**
 * The commands of docs/ and of the packages' READMEs, as they stand there. The only changes: no sudo
 * and no npx (the test is root, and has our commands in its PATH), the memory node is the virtual
 * cable of docs/getting-started.md, and files lie in folders of the test.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DocumentShell, typesBlocks } from './document-shell.ts';
import { runClient } from './lab-program.ts';
import { namedBlock } from './readme-blocks.ts';
import { describeRequiring, itRequiring } from './requires.ts';

const root = join(import.meta.dirname, '..');
/** Programs here find the packages. */
const programs = join(import.meta.dirname, '.examples');
const folder = mkdtempSync(join(tmpdir(), 'documents-oxmem-'));
const bin = join(root, 'node_modules', '.bin');

typesBlocks('docs/getting-started.md', /./);
typesBlocks('docs/operating.md', /./);
typesBlocks('packages/oxmem-bdev/README.md', /./);
typesBlocks('packages/oxmem-tloe/README.md', /./);
typesBlocks('packages/sim-endpoint/README.md', /./);

/** A shell for a document. */
function shellOf(document: string, cwd = folder): DocumentShell {
  return new DocumentShell(document, cwd, [
    ['sudo ', ''],
    ['npx ', ''],
    ['node_modules/.bin/', ''],
    [' oxmem-', ` ${bin}/oxmem-`],
    ['/tmp/oxmem', `${folder}/oxmem`],
    ['/run/oxmem', `${folder}/oxmem`],
    ['~/', `${folder}/`],
    ['=eth0', '=ox0'],
    [' eth0', ' ox0'],
    // Nobody waits for a copy of eight gigabytes.
    ['--size=8G', '--size=16M'],
    ['04:3f:72:dd:0b:05', '02:00:00:00:00:01'],
    ['04:00:00:00:00:01', '02:00:00:00:00:01'],
  ]);
}

describeRequiring(['root', 'netns'], 'the commands of', () => {
  const start = shellOf('docs/getting-started.md');
  const path = process.env['PATH'];

  beforeAll(async () => {
    mkdirSync(programs, { recursive: true });
    process.env['PATH'] = `${bin}:${path}`;
    await runClient(['ip', 'link', 'set', 'lo', 'up']);
    await start.start('endpoint');
  });
  afterAll(async () => {
    await start.stop();
    await runClient(['ip', 'link', 'del', 'ox0']);
    process.env['PATH'] = path;
    rmSync(programs, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  });

  describe('docs/getting-started.md', () => {
    const shell = shellOf('docs/getting-started.md');
    const written = shellOf('docs/getting-started.md', programs);
    afterEach(() => shell.stop());

    it('ask the doctor, who hears the endpoint', async () => {
      const [doctor = ''] = shell.commands('doctor');
      expect((await shell.run(doctor)).stdout).toMatch(/^ok +02:00:00:00:00:01 answers/m);
    });

    itRequiring(['command:nbdcopy'], 'copy a file to remote memory and back', async () => {
      await shell.start('driver');
      await shell.type('copy');
    });

    it('decode a frame', async () => {
      writeFileSync(
        join(programs, 'frame.mjs'),
        namedBlock('docs/getting-started.md', 'frame').text,
      );
      expect(await written.type('run-frame')).toMatch(/^source 17773397, 32 bytes\n.*A Get 32 B/);
    });

    it('test against an endpoint in memory', async () => {
      const { text } = namedBlock('docs/getting-started.md', 'memory-test');
      writeFileSync(join(programs, 'memory.test.js'), text);
      // Without it, vitest takes the configuration of this repository.
      writeFileSync(join(programs, 'vitest.config.mjs'), 'export default {};\n');
      expect(await written.type('run-memory-test')).toMatch(/1 passed/);
    });
  });

  describe('docs/operating.md', () => {
    const shell = shellOf('docs/operating.md');
    afterEach(() => shell.stop());

    it('serve accesses of 4 KiB in long frames, and show the state', async () => {
      await runClient(['ip', 'link', 'set', 'ox1', 'mtu', '9000']);
      // It has looked at the MTU when it was started.
      await start.stop();
      await start.startCommand(start.commands('endpoint').at(-1) ?? '');
      await shell.start('mtu');
      const [status = '', top = ''] = shell.commands('status');
      expect(JSON.parse((await shell.run(status)).stdout)).toHaveProperty('exports');
      expect((await shell.run(top)).stdout).toMatch(/02:00:00:00:00:01/);
    });

    itRequiring(['command:curl'], 'are watched by programs', async () => {
      await shell.start('watched-driver');
      const said = await shell.type('watch');
      expect(said).toMatch(/^oxmem_endpoint_state\{.*state="serving".*\} 1$/m);
      expect(said).toMatch(/"endpoint_state":"\w+"/);
    });

    itRequiring(['command:qemu-io'], 'find what a killed driver had written', async () => {
      const killed = await shell.start('kill-driver');
      await shell.type('kill');
      await killed.waitForEnd(5_000);
      await shell.start('kill-driver');
      await shell.type('after-kill');
    });

    it('decode a capture', async () => {
      const [command = ''] = shell.commands('kill-driver');
      await shell.startCommand(`${command} --pcap=${folder}/oxmem.pcap`);
      await shell.stop();
      expect(await shell.type('decode')).toMatch(/02:00:00:00:00:01/);
    });
  });

  describe('packages/oxmem-bdev/README.md', () => {
    const shell = shellOf('packages/oxmem-bdev/README.md');
    afterEach(() => shell.stop());

    itRequiring(
      ['command:nbdinfo', 'command:nbdcopy', 'command:qemu-img'],
      'export the memory to NBD clients',
      async () => {
        writeFileSync(join(folder, 'disk.img'), Buffer.alloc(1 << 20, 'disk'));
        await shell.start('export');
        expect(await shell.type('export-clients')).toMatch(/export-size: 16777216/);
        expect(existsSync(join(folder, 'copy.img'))).toBe(true);
      },
    );

    itRequiring(['command:nbdinfo', 'command:openssl'], 'export it by TLS', async () => {
      await shell.type('certificates');
      await shell.start('tls-export', 1);
      const [, info = ''] = shell.commands('tls-export');
      expect(await shell.run(info)).toMatchObject({ code: 0 });
    });
  });

  describe('packages/oxmem-tloe/README.md', () => {
    const shell = shellOf('packages/oxmem-tloe/README.md');
    beforeAll(async () => {
      const addresses = '--netdev=ox0 --mac=02:00:00:00:00:01 --size=16M';
      const files = `--listen=unix:${folder}/captured.sock --pcap=${folder}/capture.pcapng`;
      await shell.startCommand(`oxmem-bdev ${addresses} ${files}`);
      await shell.stop();
    });

    it('decode a capture, make a dissector', async () => {
      expect(await shell.type('decode')).toMatch(/ Open /);
      const plugins = join(folder, '.local/lib/wireshark/plugins');
      mkdirSync(plugins, { recursive: true });
      await shell.type('dissector');
      expect(existsSync(join(plugins, 'omnixtend.lua'))).toBe(true);
    });
  });

  describe('packages/sim-endpoint/README.md', () => {
    const shell = shellOf('packages/sim-endpoint/README.md');
    afterEach(() => shell.stop());

    it.each(['serve', 'serve-badly'])('%s', async (name) => {
      await runClient(['ip', 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1']);
      await runClient(['ip', 'link', 'set', 'veth1', 'up']);
      try {
        const { stdout } = await shell.start(name);
        expect(stdout).toMatch(/^ready: endpoint .* on veth1, 1073741824 bytes at 0x0$/m);
      } finally {
        await shell.stop();
        await runClient(['ip', 'link', 'del', 'veth0']);
      }
    });
  });
});
