import {
  parseAddress,
  parseInteger,
  parseMac,
  parseSize,
  isMulticastMac,
} from '@oxmem/tloe-protocol';
import { SCRATCH_MINIMUM_BYTES } from '../check/scratch-range.ts';
import type { CommandSyntax, OptionSyntax } from './option-table.ts';

const help: OptionSyntax = {
  name: 'help',
  short: 'h',
  help: 'print this help',
  isQuestion: true,
};

const etherType: OptionSyntax = {
  name: 'ether-type',
  value: 'HEX',
  help: 'EtherType of TLoE frames (0xaaaa)',
  problem: (text) =>
    parseEtherType(text) === undefined ? 'a hexadecimal number from 0x0600 to 0xffff' : undefined,
};

const netdevProblem = (text: string): string | undefined =>
  text === '' ? 'the name of a network interface such as eth0' : undefined;

const macProblem = (text: string): string | undefined => {
  const mac = parseMac(text);
  const isStation = mac !== undefined && !isMulticastMac(mac);
  return isStation ? undefined : 'the MAC address of a station such as 02:00:00:00:00:01';
};

/** `oxmem-tloe decode` */
export const DECODE: CommandSyntax = {
  name: 'decode',
  usage: 'decode FILE|--netdev=DEV [options]',
  summary:
    'Shows TLoE frames, one line each: of a pcap or pcapng file, of - (standard\n' +
    'input), or of what passes a network interface now (needs CAP_NET_RAW).',
  maxArguments: 1,
  options: [
    { name: 'netdev', value: 'DEV', help: 'listen on this interface', problem: netdevProblem },
    { name: 'mac', value: 'MAC', help: 'only frames from or to this station', problem: macProblem },
    { name: 'violations', help: 'only frames that break the specification' },
    { name: 'json', help: 'a JSON object per line, for programs' },
    { name: 'summary', help: 'counts, latencies and violations at the end' },
    { name: 'quiet', short: 'q', help: 'no line per frame; use it with --summary' },
    etherType,
    help,
  ],
  tail: `
Exit codes: 0 done, 1 the file is broken or cannot be read, 2 usage,
3 not permitted, 5 no such interface.`,
};

/** `oxmem-tloe check` */
export const CHECK: CommandSyntax = {
  name: 'check',
  usage: 'check --netdev=DEV --mac=MAC [options]',
  summary:
    'Plays dialogues, right and wrong ones, against an OmniXtend endpoint and\n' +
    'reports what it does with them. WRITES to its memory, --size bytes from\n' +
    '--base on, and puts back what was there: nobody else may use that range\n' +
    'meanwhile.',
  maxArguments: 0,
  options: [
    {
      name: 'netdev',
      value: 'DEV',
      help: 'network interface to the endpoint',
      isRequired: true,
      problem: netdevProblem,
    },
    {
      name: 'mac',
      value: 'MAC',
      help: 'MAC address of the endpoint',
      isRequired: true,
      problem: macProblem,
    },
    {
      name: 'base',
      value: 'ADDR',
      help: 'where the scratch range begins (0x0)',
      problem: (text) =>
        isScratchBase(text) ? undefined : 'a hexadecimal address that is a multiple of 4096',
    },
    {
      name: 'size',
      value: 'SIZE',
      help: 'bytes of the scratch range (4K)',
      problem: (text) =>
        isScratchSize(text) ? undefined : 'a multiple of 4096 bytes from 4K to 1M',
    },
    {
      name: 'only',
      value: 'NAME',
      help: 'play this dialogue only; repeatable',
      isRepeatable: true,
      problem: (text) => (text === '' ? 'a name that --list shows' : undefined),
    },
    { name: 'list', help: 'list the dialogues and what each rests on', isQuestion: true },
    {
      name: 'junit',
      value: 'FILE',
      help: 'also write the results as JUnit XML',
      problem: (text) => (text === '' ? 'the path of a file' : undefined),
    },
    etherType,
    help,
  ],
  tail: `
Exit codes: 0 every dialogue passed or is not supported, 1 one failed, 2 usage,
3 not permitted, 5 no such interface, or the endpoint does not answer.`,
};

/** `oxmem-tloe dissector` */
export const DISSECTOR: CommandSyntax = {
  name: 'dissector',
  usage: 'dissector > ~/.local/lib/wireshark/plugins/omnixtend.lua',
  summary: 'Prints a dissector for Wireshark and tshark, in Lua.',
  maxArguments: 0,
  options: [help],
  tail: '',
};

export const COMMANDS: readonly CommandSyntax[] = [DECODE, CHECK, DISSECTOR];

/** Reads an EtherType; undefined: it is none. */
export function parseEtherType(text: string): number | undefined {
  const digits = /^(?:0x)?([0-9a-f]{3,4})$/i.exec(text)?.[1];
  const value = parseInt(digits ?? '', 16);
  return parseInteger(String(value), { min: 0x600, max: 0xffff });
}

function isScratchBase(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && address.low % SCRATCH_MINIMUM_BYTES === 0;
}

function isScratchSize(text: string): boolean {
  const bytes = parseSize(text) ?? 0;
  const isMultiple = bytes > 0 && bytes % SCRATCH_MINIMUM_BYTES === 0;
  return isMultiple && bytes <= 2 ** 20;
}
