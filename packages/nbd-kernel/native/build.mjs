// Builds the addon into build/Release with node-gyp. Silent unless something goes wrong. Every native
// package has this very file.
//
//   node native/build.mjs [--if-needed] [--sanitize]
//
//   --if-needed   at install: not if an addon that came with the package loads
//   --sanitize    with AddressSanitizer and UBSan

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packageRoot = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** Ends with one sentence: what is missing, and how to get it. */
function giveUp(sentence) {
  process.stderr.write(`${require('../package.json').name}: ${sentence}\n`);
  process.exit(1);
}

function runs(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Whether there is an addon for this machine: a prebuilt one, or one built before. */
function hasAddon() {
  if (process.env.npm_config_build_from_source === 'true') return false;
  try {
    require('node-gyp-build')(packageRoot);
    return true;
  } catch {
    return false;
  }
}

/** Node's own headers if they came with it; otherwise node-gyp downloads them. */
function headerOptions() {
  const prefix = dirname(dirname(process.execPath));
  const isComplete = existsSync(join(prefix, 'include', 'node', 'common.gypi'));
  return isComplete ? [`--nodedir=${prefix}`] : [];
}

/** Ours in the repository, else the one that npm and pnpm bring along. */
function findNodeGyp() {
  try {
    return require.resolve('node-gyp/bin/node-gyp.js');
  } catch {
    const bundled = process.env.npm_config_node_gyp;
    if (bundled !== undefined && existsSync(bundled)) return bundled;
    return giveUp('node-gyp not found; install it beside this package: `npm install node-gyp`.');
  }
}

function checkTools() {
  const none = `there is no prebuilt addon for ${process.platform}-${process.arch} here, and`;
  const compiler = process.env.CXX ?? 'c++';
  if (!runs(compiler) && !runs('g++')) {
    giveUp(
      `${none} no C++ compiler (${compiler}) to build one; install it, e.g. ` +
        '`sudo apt install build-essential` or `sudo dnf install gcc-c++ make`.',
    );
  }
  if (!runs('make')) {
    giveUp(`${none} no \`make\` to build one; install it, e.g. \`sudo apt install make\`.`);
  }
  if (!runs('python3')) {
    giveUp(
      `${none} no Python, which node-gyp needs to build one; install it, e.g. ` +
        '`sudo apt install python3`.',
    );
  }
}

function main() {
  if (process.platform !== 'linux') giveUp(`it works on Linux only, not on ${process.platform}.`);
  if (process.argv.includes('--if-needed') && hasAddon()) return;
  checkTools();
  const options = ['rebuild', '--loglevel=error', ...headerOptions()];
  if (process.argv.includes('--sanitize')) options.push('--', '-Dsanitize=1');
  const result = spawnSync(process.execPath, [findNodeGyp(), ...options], {
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
