import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LabProgram, runClient } from './lab-program.ts';
import { codeBlocks } from './readme-blocks.ts';
import { describeRequiring, itRequiring } from './requires.ts';

/** In this package, so that its dependencies are found. */
const folder = join(import.meta.dirname, '.examples');

/** Writes a code block of a package's README as a program and returns its path. */
function program(path: string, index: number): string {
  const block = codeBlocks(path).filter(({ language }) => /^[jt]s$/.test(language))[index];
  if (block === undefined) throw new Error(`${path} has no code block ${index}`);
  const compilerOptions = { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 };
  const file = join(folder, `${path.replaceAll('/', '-')}-${index}.mjs`);
  writeFileSync(file, transpileModule(block.text, { compilerOptions }).outputText);
  return file;
}

describeRequiring(['root', 'netns'], 'the examples in the READMEs of the packages', () => {
  beforeAll(() => {
    mkdirSync(folder, { recursive: true });
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('tloe-protocol: a frame is decoded', async () => {
    const stdout = await runClient(['node', program('packages/tloe-protocol/README.md', 0)]);
    expect(stdout).toMatch(/^0\n17773397 32\nNormal seq 189709 .*A Get 32 B source 17773397/);
  });

  it('tloe-protocol: remote memory is written and read back', async () => {
    const stdout = await runClient(['node', program('packages/tloe-protocol/README.md', 1)]);
    expect(stdout).toMatch(/isOpen: true/);
    expect(stdout).toMatch(/Uint8Array\(3\) \[ 1, 2, 3 \]/);
    expect(stdout).toMatch(/confirmed/);
  });

  it('rawsock: two frames cross a wire', async () => {
    const hello = program('packages/rawsock/README.md', 0);
    const stdout = await runClient(['unshare', '-n', process.execPath, hello]);
    expect(stdout).toMatch(/^hello\nworld\n/);
    expect(stdout).toMatch(/framesReceived: 2/);
  });

  it('rawsock: the mock needs no network', async () => {
    const mock = program('packages/rawsock/README.md', 1);
    expect(await runClient(['node', mock])).toBe('');
  });

  it('nbd-kernel: a device is served, with the mock of the other example', async () => {
    const path = 'packages/nbd-kernel/README.md';
    const [device = '', ...others] = codeBlocks(path).map(({ text }) => text);
    const mock = others.find((text) => text.includes('nbd-kernel/mock')) ?? '';
    const line = (start: string): string =>
      mock.split('\n').find((each) => each.startsWith(start)) ?? '';
    const use = line('await kernel.device(0).write');
    const served = device.replace(
      'onStream: serve,\n});',
      `onStream: serve,\n}, kernel.machine);
      ${use}
      console.log(memory[4095]);
      void device.detach();`,
    );
    expect(served).not.toBe(device);
    const text = `import { MockKernel } from '@oxmem/nbd-kernel/mock';
      ${line('const kernel')}
      ${served}`;
    const file = join(folder, 'nbd-kernel.mjs');
    writeFileSync(file, text.replace('new Uint8Array(4096)', 'new Uint8Array(4096).fill(7)'));
    expect(await runClient(['node', file])).toMatch(/^7\n\/dev\/nbd0 by netlink\n\S.*\n$/);
  });

  itRequiring(['command:nbdinfo'], 'nbd-protocol: a memory disk is served', async () => {
    const disk = program('packages/nbd-protocol/README.md', 0);
    const socket = join(folder, 'disk.sock');
    const server = new LabProgram(['node', disk, socket]);
    await server.waitFor('stdout', /^ready: /m);
    const size = await runClient(['nbdinfo', '--size', `nbd+unix:///?socket=${socket}`]);
    expect(size.trim()).toBe(String(64 * 1024 * 1024));
    await server.stop('SIGTERM');
  });

  it('sim-endpoint: the whole test for vitest passes', async () => {
    const [block] = codeBlocks('packages/sim-endpoint/README.md').filter(
      ({ language }) => language === 'ts',
    );
    const file = join(folder, 'sim-endpoint.test.ts');
    writeFileSync(file, block?.text ?? '');
    const argv = ['vitest', 'run', '--project', 'unit', '--reporter', 'default', file];
    const vitest = join(import.meta.dirname, '..', 'node_modules', '.bin', argv[0] as string);
    const cwd = join(import.meta.dirname, '..');
    const stdout = await runClient([vitest, ...argv.slice(1)], { cwd });
    expect(stdout).toMatch(/1 passed/);
  });
});
