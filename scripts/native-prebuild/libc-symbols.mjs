/** Whether an addon asks its machine only for what is there. */
import { spawnSync } from 'node:child_process';
import { glibcFloor } from './targets.mjs';

/** What Node brings itself. */
const nodeSymbol = /^(napi_|node_api_|uv_)/;
/** Weak ones that the compiler puts everywhere. */
const optionalSymbol = /^(_ITM_|__gmon_start__|__cxa_finalize)/;

/**
 * @param {string} addon path
 * @param {string} libc path of the libc's shared object
 * @returns {string[]} what is wrong with it
 */
export function symbolProblems(addon, libc) {
  const offered = new Set(symbols(libc, '--defined-only').map(({ name }) => name));
  return symbols(addon, '--undefined-only').flatMap(({ name, version }) => {
    if (nodeSymbol.test(name) || optionalSymbol.test(name)) return [];
    if (!offered.has(name)) return [`${name} is in no library that it could come from`];
    if (version === undefined || !isNewer(version)) return [];
    return [`${name} asks for ${version}, newer than glibc ${glibcFloor.join('.')}`];
  });
}

/**
 * @param {string} file
 * @param {string} which
 * @returns {{ name: string, version: string | undefined }[]} its dynamic symbols
 */
function symbols(file, which) {
  const { status, stdout, stderr } = spawnSync('nm', ['-D', which, file], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`nm cannot read ${file}: ${stderr}`);
  return stdout.split('\n').flatMap((line) => {
    const [, name, version] = /\s\w\s+([^\s@]+)(?:@+(\S+))?$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, version }];
  });
}

/** @param {string} version GLIBC_2.34 */
function isNewer(version) {
  const [major = 0, minor = 0] = version.replace('GLIBC_', '').split('.').map(Number);
  const [floorMajor = 0, floorMinor = 0] = glibcFloor;
  return major > floorMajor || (major === floorMajor && minor > floorMinor);
}
