/**
 * The prebuilt addons of every machine, loaded: arm64 under QEMU's user emulation, on glibc by a real
 * Node, on musl (no Node for it is to be had here) by a program that binds every symbol.
 */
import { readFileSync, rmSync, writeFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { provideNode } from '../scripts/node-programs.mjs';
import { symbolProblems } from '../scripts/native-prebuild/libc-symbols.mjs';
import {
  muslLoader,
  nativePackageFolders,
  prebuildCache,
  prebuiltFile,
} from '../scripts/native-prebuild/prebuild.mjs';
import { provideMusl, targets } from '../scripts/native-prebuild/targets.mjs';
import { runClient } from './lab-program.ts';
import { describeRequiring } from './requires.ts';

const [rawsock = '', nbdKernel = ''] = ['rawsock', 'nbd-kernel'].map((name) =>
  nativePackageFolders().find((folder) => folder.endsWith(`/${name}`)),
);

/** Asks each addon something harmless, and says so. */
const question = `
  const raw = require(process.argv[1]);
  const kernel = require(process.argv[2]);
  const lo = raw.interfaceInfo('lo');
  console.log(process.arch, typeof lo.index, kernel.isPreloaded(), typeof kernel.libraryFile());
`;

describeRequiring(['asked:prebuilds', 'command:qemu-aarch64'], 'the prebuilt addons', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'oxmem-prebuilds-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  describe.for(targets)('for $name', (target) => {
    const files = [rawsock, nbdKernel].map((each) => prebuiltFile(each, target));
    /** Other processors are emulated; the folder has the libc. */
    const emulator = (libc: string): string[] =>
      target.arch === process.arch ? [] : ['qemu-aarch64', '-L', libc];

    const answer = async (): Promise<void> => {
      const node = await provideNode('20', target.arch);
      const argv = [...emulator('/usr/aarch64-linux-gnu'), node, '-e', question, ...files];
      expect(await runClient(argv)).toBe(`${target.arch} number false string\n`);
    };
    const bind = async (): Promise<void> => {
      const root = await provideMusl(target, prebuildCache);
      for (const file of files) {
        const host = await muslHost(target, root, file);
        const run = [...emulator(root), muslLoader(root), host];
        expect(await runClient([...run, file])).toBe('loaded\n');
      }
    };
    if (target.libc === 'glibc') it('answer in Node 20', { timeout: 120_000 }, answer);
    else it('find all they need in musl', bind);

    it('ask for no C++ library', async () => {
      for (const file of files) {
        expect(await runClient(['readelf', '-d', file])).not.toMatch(/NEEDED.*(stdc\+\+|gcc_s)/);
      }
    });
  });

  it('would not pass if they asked for something that libc does not have', () => {
    const [host] = targets;
    const here = readFileSync('/proc/self/maps', 'utf8');
    const libc = /\S+\/libc\.so\.6/.exec(here)?.[0] ?? '';
    // Node's own program asks for the C++ library.
    expect(symbolProblems(process.execPath, libc).join()).toContain('is in no library');
    expect(symbolProblems(prebuiltFile(rawsock, host!), libc)).toEqual([]);
  });

  /**
   * A program for musl that loads an addon at once with all its symbols. What Node would bring, it
   * brings itself: functions that nobody calls.
   */
  async function muslHost(
    target: (typeof targets)[number],
    root: string,
    file: string,
  ): Promise<string> {
    const undefinedNames = await runClient(['nm', '-D', '--undefined-only', file]);
    const names = [...undefinedNames.matchAll(/\s((?:napi|node_api|uv)_\w+)/g)].map(
      ([, name]) => name,
    );
    expect(names.length).toBeGreaterThan(20);
    const stubs = names.map((name) => `void ${name}(void) { abort(); }`).join('\n');
    const source = join(folder, 'host.c');
    const program = join(folder, `host-${target.arch}`);
    writeFileSync(
      source,
      `#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
${stubs}
int main(int argc, char** argv) {
  void* addon = argc > 1 ? dlopen(argv[1], RTLD_NOW) : 0;
  if (!addon || !dlsym(addon, "napi_register_module_v1")) return puts(dlerror()), 1;
  return puts("loaded"), 0;
}
`,
    );
    const lib = join(root, 'usr/lib', target.triple);
    const parts = [join(lib, 'Scrt1.o'), join(lib, 'crti.o'), source, muslLoader(root)];
    const include = join(root, 'usr/include', target.triple);
    const compiler = target.compiler.replace('g++', 'gcc');
    const flags = ['-nostdinc', '-isystem', include, '-nostdlib', '-pie', '-fPIE', '-rdynamic'];
    const inputs = [...parts, '-lgcc', join(lib, 'crtn.o')];
    await runClient([compiler, ...flags, '-w', '-o', program, ...inputs]);
    return program;
  }
});
