// Builds the addon into build/Release with node-gyp. Silent unless something goes wrong.
//
//   node native/build.mjs [--sanitize]     --sanitize: with AddressSanitizer and UBSan

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packageRoot = fileURLToPath(new URL('..', import.meta.url));

/** Ends with one sentence: what is missing, and how to get it. */
function giveUp(sentence) {
  process.stderr.write(`@oxmem/nbd-kernel: ${sentence}\n`);
  process.exit(1);
}

function runs(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Node's own headers if they came with it; otherwise node-gyp downloads them. */
function headerOptions() {
  const prefix = dirname(dirname(process.execPath));
  const isComplete = existsSync(join(prefix, 'include', 'node', 'common.gypi'));
  return isComplete ? [`--nodedir=${prefix}`] : [];
}

function main() {
  if (process.platform !== 'linux') {
    giveUp(`the kernel NBD device exists on Linux only, not on ${process.platform}.`);
  }
  const compiler = process.env.CXX ?? 'c++';
  if (!runs(compiler) && !runs('g++')) {
    giveUp(
      `no C++ compiler found (${compiler}); install one, e.g. ` +
        '`sudo apt install build-essential` or `sudo dnf install gcc-c++ make`.',
    );
  }
  if (!runs('make')) giveUp('`make` not found; install it, e.g. `sudo apt install make`.');
  if (!runs('python3')) {
    giveUp('node-gyp needs Python; install it, e.g. `sudo apt install python3`.');
  }

  const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  const options = ['rebuild', '--loglevel=error', ...headerOptions()];
  if (process.argv.includes('--sanitize')) options.push('--', '-Dsanitize=1');
  const result = spawnSync(process.execPath, [nodeGyp, ...options], {
    cwd: packageRoot,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  giveUp(
    result.error
      ? `node-gyp did not start: ${result.error.message}`
      : `the native build failed (${result.signal ?? `exit ${result.status}`}); see above.`,
  );
}

main();
