/**
 * `pnpm build:deb`: the Debian package with the binary, its manual page, completions for shells and
 * service files: build/binary/oxmem-bdev_VERSION_ARCH.deb.
 *
 *   node scripts/binary/build-deb.mjs [--arch=x64|arm64] [--binary=FILE] [--out=FOLDER] [--fast]
 *
 * --binary   one that build-binary.mjs has made before
 * --fast     without compression, for tests
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { shellDocuments } from '../documents/shell-documents.mjs';
import { createProgress } from '../progress.mjs';
import { repositoryRoot } from '../repository.mjs';
import { runCaptured } from '../run-command.mjs';
import { printFailure, SetupError } from '../setup-error.mjs';
import { buildBinary, defaultBinary } from './build-binary.mjs';
import { driverLicences } from './bundle.mjs';

const packageFolder = join(repositoryRoot, 'packages', 'oxmem-bdev');
const units = join(packageFolder, 'systemd');
const debianArch = { x64: 'amd64', arm64: 'arm64' };
/** What Node's own program is linked with; the addons need less. */
const dependencies = 'libc6 (>= 2.28), libstdc++6 (>= 8), libgcc-s1 | libgcc1';

/**
 * @param {{ arch: 'x64' | 'arm64', binary: string, out: string, isFast: boolean }} options
 * @returns {Promise<string>} the package's path
 */
export async function buildDeb({ arch, binary, out, isFast }) {
  const manifest = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  const work = mkdtempSync(join(tmpdir(), 'oxmem-deb-'));
  const root = join(work, 'root');
  mkdirSync(root);
  try {
    await putFiles(root, binary, manifest.version);
    putControl(root, { manifest, arch: debianArch[arch] });
    mkdirSync(out, { recursive: true });
    const file = join(out, `oxmem-bdev_${manifest.version}_${debianArch[arch]}.deb`);
    const compression = isFast ? '-Znone' : '-Zxz';
    const argv = ['dpkg-deb', '--build', '--root-owner-group', compression, root, file];
    const { code, output } = await runCaptured(argv);
    if (code !== 0) throw new SetupError('dpkg-deb could not build the package.', '', output);
    return file;
  } finally {
    rmSync(work, { recursive: true });
  }
}

/**
 * @param {string} root
 * @param {string} binary
 * @param {string} version
 */
async function putFiles(root, binary, version) {
  /** @param {string} path @param {string | Buffer} content */
  const put = (path, content) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  const documents = shellDocuments(packageFolder);
  const document = (/** @type {string} */ path) => documents[path] ?? '';
  put('usr/share/man/man8/oxmem-bdev.8.gz', gzipSync(document('man/oxmem-bdev.8'), { level: 9 }));
  put('usr/share/bash-completion/completions/oxmem-bdev', document('completions/bash/oxmem-bdev'));
  put('usr/share/zsh/vendor-completions/_oxmem-bdev', document('completions/zsh/_oxmem-bdev'));
  put(
    'usr/share/fish/vendor_completions.d/oxmem-bdev.fish',
    document('completions/fish/oxmem-bdev.fish'),
  );
  const unit = 'oxmem-bdev@.service';
  put(`usr/lib/systemd/system/${unit}`, readFileSync(join(units, unit)));
  const doc = 'usr/share/doc/oxmem-bdev';
  for (const name of readdirSync(units).filter((each) => each !== unit)) {
    put(`${doc}/examples/${name}`, readFileSync(join(units, name)));
  }
  put(`${doc}/copyright`, await copyright());
  const entry = `oxmem-bdev (${version}) unstable; urgency=medium\n\n  * See the changelog of the npm package oxmem-bdev.\n`;
  put(`${doc}/changelog.gz`, gzipSync(entry, { level: 9 }));
  const program = join(root, 'usr/sbin/oxmem-bdev');
  mkdirSync(dirname(program), { recursive: true });
  cpSync(binary, program, { mode: 0 });
  chmodSync(program, 0o755);
}

/**
 * @param {string} root
 * @param {{ manifest: { version: string, description: string, homepage: string }, arch: string }}
 *   facts
 */
function putControl(root, { manifest, arch }) {
  const files = filesBelow(root);
  const kibibytes = files.reduce((sum, file) => sum + Math.ceil(statSync(file).size / 1024), 0);
  const sums = files.map((file) => `${md5(file)}  ${relative(root, file)}\n`);
  const control = [
    'Package: oxmem-bdev',
    `Version: ${manifest.version}`,
    `Architecture: ${arch}`,
    'Maintainer: The oxmem authors <oxmem@users.noreply.github.com>',
    `Installed-Size: ${kibibytes}`,
    `Depends: ${dependencies}`,
    'Recommends: kmod',
    'Suggests: nbd-client, libnbd-bin',
    'Section: admin',
    'Priority: optional',
    `Homepage: ${manifest.homepage}`,
    'Description: OmniXtend remote memory as a block device',
    ' Attaches the memory of an OmniXtend (TileLink over Ethernet) endpoint as a block',
    ' device of the kernel (/dev/nbdN), or exports it on a socket by the NBD protocol.',
    ' Runs in user space.',
    '',
  ];
  // What systemd knows of the template is read anew.
  const reload =
    '#!/bin/sh\nset -e\nif [ -d "${DPKG_ROOT:-}/run/systemd/system" ]; then systemctl daemon-reload || true; fi\n';
  mkdirSync(join(root, 'DEBIAN'));
  writeFileSync(join(root, 'DEBIAN/control'), control.join('\n'));
  writeFileSync(join(root, 'DEBIAN/md5sums'), sums.join(''));
  for (const name of ['postinst', 'postrm']) {
    writeFileSync(join(root, 'DEBIAN', name), reload, { mode: 0o755 });
  }
}

/** @returns {Promise<string>} our licence, and those of all that is inside the binary */
async function copyright() {
  const own = `oxmem-bdev
${'='.repeat(10)}
The oxmem authors. Licensed under the Apache License, Version 2.0: on Debian systems its text is
/usr/share/common-licenses/Apache-2.0.
`;
  return `${own}${await driverLicences()}\nNode.js\n=======\n${nodeLicence()}`;
}

/** Where the running Node has its own, depending on how it was installed. */
function nodeLicence() {
  const prefix = dirname(dirname(process.execPath));
  const places = ['LICENSE', 'share/doc/nodejs/LICENSE', 'share/doc/node/LICENSE'];
  const place = places.map((each) => join(prefix, each)).find((each) => existsSync(each));
  return place === undefined
    ? 'The MIT licence and those of its parts: https://github.com/nodejs/node/blob/main/LICENSE\n'
    : readFileSync(place, 'utf8');
}

/**
 * @param {string} folder
 * @returns {string[]} absolute, sorted
 */
function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** @param {string} file */
function md5(file) {
  return createHash('md5').update(readFileSync(file)).digest('hex');
}

/** @param {readonly string[]} args */
async function main(args) {
  // The modes of what is made here become those of what is installed, whoever makes it.
  process.umask(0o022);
  const { values } = parseArgs({
    args: [...args],
    options: {
      arch: { type: 'string', default: process.arch },
      binary: { type: 'string' },
      out: { type: 'string', default: dirname(defaultBinary) },
      fast: { type: 'boolean', default: false },
    },
  });
  const { arch, out, fast: isFast } = values;
  if (arch !== 'x64' && arch !== 'arm64') {
    throw new SetupError(`--arch=${arch} will not do.`, 'It takes x64 or arm64.');
  }
  const progress = createProgress();
  const binary = resolve(values.binary ?? `${defaultBinary}-${arch}`);
  if (values.binary === undefined) {
    await buildBinary({ arch, node: undefined, out: binary, isPortable: true }, progress);
  }
  const file = await progress.step('packing', () =>
    buildDeb({ arch, binary, out: resolve(out), isFast }),
  );
  console.log(`${file}: ${Math.round(statSync(file).size / 2 ** 20)} MiB`);
}

if (process.argv[1] === import.meta.filename) {
  await main(process.argv.slice(2)).catch((error) => {
    printFailure(error);
    process.exitCode = 1;
  });
}
