/** A command starts from few files: to find and load hundreds takes longer than all else together. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runProgram } from './lab-program.ts';
import { driverCommand, endpointCommand, tloeCommand } from './oxmem-lab.ts';

const commands = { driverCommand, endpointCommand, tloeCommand };
/** Far enough that everything is loaded that a start needs. */
const noSuchInterface = ['--netdev=oxmem-none', '--mac=02:00:00:00:00:01', '--size=1M'];
const starts: [keyof typeof commands, string[]][] = [
  ['driverCommand', ['--help']],
  ['driverCommand', [...noSuchInterface, '--listen=unix:/run/oxmem-none/socket']],
  ['endpointCommand', ['--help']],
  ['endpointCommand', ['--netdev=oxmem-none', '--size=1M']],
  ['tloeCommand', ['--help']],
];

describe('a start', () => {
  it.each(starts)('of %s with %j loads its bundle and nothing else', async (name, args) => {
    const file = commands[name][1] ?? '';
    const bundle = join(dirname(file), '..', 'dist', 'command');
    const loaded = await loadedScripts([...commands[name], ...args]);
    expect(loaded).toContain(file);
    expect(loaded).toContain(join(bundle, 'main.js'));
    const others = loaded.filter((path) => path !== file && dirname(path) !== bundle);
    expect(others).toEqual([]);
    expect(loaded.length).toBeLessThanOrEqual(16);
    const unasked = /^(driver-metrics|endpoint-metrics|top|completion-script|run-command)-/;
    expect(loaded.filter((path) => unasked.test(basename(path)))).toEqual([]);
  });

  it('carries the licences of what is in the bundle', () => {
    const folder = join(dirname(driverCommand[1] ?? ''), '..', 'dist', 'command');
    const licences = readFileSync(join(folder, 'THIRD-PARTY.txt'), 'utf8');
    for (const name of ['commander', 'pino', 'pino-pretty', 'node-gyp-build']) {
      expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+\n=+\n[^=]*copyright`, 'im'));
    }
  });
});

/** The files that a run of Node has loaded, as its own record of coverage has them. */
async function loadedScripts(argv: readonly string[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'oxmem-loaded-'));
  try {
    await runProgram(argv, { env: { NODE_V8_COVERAGE: folder } });
    const [report = ''] = readdirSync(folder);
    const { result } = JSON.parse(readFileSync(join(folder, report), 'utf8')) as {
      result: { url: string }[];
    };
    const files = result.map(({ url }) => url).filter((url) => url.startsWith('file:'));
    return files.map((url) => fileURLToPath(url));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
