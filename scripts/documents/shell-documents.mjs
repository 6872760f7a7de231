/**
 * Manual pages and shell completions of the commands, made from their tables of options. The folders
 * `man` and `completions` of the packages are not kept in the repository: packing makes them.
 *
 *   node scripts/documents/shell-documents.mjs [PACKAGE-FOLDER]
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import {
  COMPLETION_SHELLS,
  completionScript,
} from '../../packages/oxmem-bdev/dist/cli/completion-script.js';
import { describeProgram } from '../../packages/oxmem-bdev/dist/cli/program.js';
import { describeValue } from '../../packages/oxmem-bdev/dist/cli/program-description.js';
import { COMMANDS } from '../../packages/oxmem-tloe/dist/cli/commands.js';
import {
  FAULTS_HELP,
  parseCommandLine,
} from '../../packages/sim-endpoint/dist/cli/command-line.js';
import { OPTIONS } from '../../packages/sim-endpoint/dist/cli/options.js';
import { repositoryRoot } from '../repository.mjs';
import { manPage } from './man-page.mjs';

/** @typedef {import('./man-page.mjs').ProgramDescription} ProgramDescription */

/** How a shell finds the completion of a command. */
const completionFile = {
  bash: (/** @type {string} */ name) => name,
  zsh: (/** @type {string} */ name) => `_${name}`,
  fish: (/** @type {string} */ name) => `${name}.fish`,
};

const driverSections = [
  {
    title: 'CAPABILITIES',
    text: `Raw frames take CAP_NET_RAW, devices of the kernel CAP_SYS_ADMIN; root has both. The
service gives them to itself alone. The program that this page came with may have
them as a file, if only those may run it who shall have them:

    chgrp oxmem /usr/sbin/oxmem-bdev
    chmod 0750 /usr/sbin/oxmem-bdev
    setcap cap_net_raw,cap_sys_admin+ep /usr/sbin/oxmem-bdev

With file capabilities \\-\\-swap does not work.`.replaceAll('\\-', '-'),
  },
  {
    title: 'FILES',
    text: `/etc/oxmem/NAME.conf says what the service oxmem-bdev@NAME serves.

/run/oxmem has what a driver leaves to its successor.`,
  },
  {
    title: 'EXAMPLES',
    text: `A block device with a file system:

    modprobe nbd max_part=8
    oxmem-bdev --netdev=eth0 --mac=04:00:00:00:00:01 --size=8G &
    mkfs.ext4 /dev/nbd0
    mount /dev/nbd0 /mnt

An export on a socket, without the kernel's driver:

    oxmem-bdev --netdev=eth0 --mac=04:00:00:00:00:01 --size=8G --listen=unix:/run/oxmem.sock`,
  },
];

/**
 * The pages, by the folder of the package.
 *
 * @type {Record<string, () => { program: ProgramDescription,
 *   facts: Omit<import('./man-page.mjs').PageFacts, 'version'> }>}
 */
const pages = {
  'oxmem-bdev': () => ({
    program: describeProgram(),
    facts: {
      section: 8,
      summary: 'OmniXtend remote memory as a block device',
      more: driverSections,
      seeAlso: ['modprobe(8)', 'nbd-client(8)', 'nbdcopy(1)', 'qemu-img(1)', 'setcap(8)'],
    },
  }),
  'sim-endpoint': () => ({
    program: describeEndpoint(),
    facts: {
      section: 1,
      summary: 'a software OmniXtend memory endpoint',
      more: endpointSections(),
      seeAlso: ['oxmem-bdev(8)', 'oxmem-tloe(1)'],
    },
  }),
  'oxmem-tloe': () => ({
    program: describeDecoder(),
    facts: {
      section: 1,
      summary: 'see and check OmniXtend (TileLink over Ethernet)',
      more: [],
      seeAlso: ['oxmem-bdev(8)', 'oxmem-sim-endpoint(1)', 'tshark(1)', 'wireshark(1)'],
    },
  }),
};

/** The folders of the packages that have a command. */
export const commandPackages = Object.keys(pages).map((name) =>
  join(repositoryRoot, 'packages', name),
);

/**
 * @param {string} folder of a package
 * @returns {Record<string, string>} the text of each document, by its path in the package
 */
export function shellDocuments(folder) {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const page = pages[basename(folder)]?.();
  if (page === undefined) throw new Error(`${folder} has no command`);
  const { program, facts } = page;
  const completions = COMPLETION_SHELLS.map((shell) => [
    `completions/${shell}/${completionFile[shell](program.name)}`,
    completionScript(shell, program),
  ]);
  return {
    [`man/${program.name}.${facts.section}`]: manPage(program, { ...facts, version }),
    ...Object.fromEntries(completions),
  };
}

/**
 * Writes the documents of a package into its folder.
 *
 * @param {string} folder
 */
export function writeShellDocuments(folder) {
  for (const name of ['man', 'completions']) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
  for (const [path, text] of Object.entries(shellDocuments(folder))) {
    const place = join(folder, path);
    mkdirSync(join(place, '..'), { recursive: true });
    writeFileSync(place, text);
  }
}

/** @returns {ProgramDescription} */
function describeEndpoint() {
  const options = OPTIONS.map((syntax) => {
    const { name, group, value, help, fallback, isRequired, problem } = syntax;
    const expected = (problem('') ?? 'a value').replace(/^expected /, '').replace(/: .*$/, '');
    const notes = isRequired === true ? ' (required)' : '';
    return {
      long: `--${name}`,
      group,
      help: fallback === undefined ? `${help}${notes}` : `${help} (default ${fallback})`,
      placeholder: value,
      value: describeValue(expected, (word) => problem(word) === undefined),
    };
  });
  return {
    name: 'oxmem-sim-endpoint',
    commands: [
      {
        name: '',
        summary: 'A software OmniXtend memory endpoint',
        usage: ['oxmem-sim-endpoint --netdev=DEV --size=SIZE [options]'],
        text:
          'Serves memory to any number of OmniXtend initiators over raw Ethernet, from RAM or a ' +
          'file, and makes things go wrong on request. For tests without hardware.',
        remarks: '',
        options,
        operand: undefined,
      },
    ],
  };
}

/** @returns {ProgramDescription} */
function describeDecoder() {
  const name = 'oxmem-tloe';
  const text = 'Shows OmniXtend traffic, helps Wireshark to, and checks endpoints.';
  /** @param {string} lines */
  const oneLine = (lines) => lines.trim().replaceAll(/\s+/g, ' ');
  const commands = COMMANDS.map((command) => ({
    name: command.name,
    summary: oneLine(command.summary).replace(/[.:,] .*|\.$/, ''),
    usage: [`${name} ${command.usage}`],
    text: oneLine(command.summary),
    remarks: oneLine(command.tail),
    options: command.options
      .filter((option) => option.name !== 'help')
      .map(({ name: long, value, help, isRequired, problem }) => ({
        long: `--${long}`,
        group: '',
        help: isRequired === true ? `${help} (required)` : help,
        placeholder: value,
        value: describeValue(
          problem?.('') ?? problem?.('?') ?? 'a value',
          (word) => problem !== undefined && problem(word) === undefined,
        ),
      })),
    operand:
      command.maxArguments === 0
        ? undefined
        : { name: 'FILE', ...describeValue('the path of a file', () => false) },
  }));
  const own = { name: '', summary: text, usage: [], text, remarks: '', options: [] };
  return { name, commands: [{ ...own, operand: undefined }, ...commands] };
}

/** What `--help-faults` and the end of `--help` say. */
function endpointSections() {
  const help = parseCommandLine(['--help']);
  const text = help.kind === 'print' ? help.text : '';
  const codes = /Exit codes: (.*)/.exec(text)?.[1] ?? '';
  const examples = text.slice(text.indexOf('Examples:') + 'Examples:\n'.length);
  const [heading = '', ...list] = FAULTS_HELP.split('\n');
  return [
    {
      title: 'FAULTS',
      text: `What oxmem-sim-endpoint --help-faults prints.\n\n${heading}\n\n${list.filter((line) => line.trim()).join('\n')}`,
    },
    { title: 'EXIT STATUS', text: codes },
    { title: 'EXAMPLES', text: examples.trimEnd() },
  ];
}

if (process.argv[1] === import.meta.filename) {
  const given = process.argv[2];
  for (const folder of given === undefined ? commandPackages : [resolve(given)])
    writeShellDocuments(folder);
}
