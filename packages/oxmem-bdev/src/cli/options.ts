import {
  ADDRESS_ZERO,
  PEER_PROFILES,
  SECOND,
  addressPlus,
  isPowerOfTwo,
  log2Exact,
  type DataOrder,
  type Micros,
  type PeerProfileName,
  type RemoteAddress,
} from '@oxmem/tloe-protocol';
import {
  formatAddress,
  isMulticastMac,
  parseAddress,
  parseDuration,
  parseInteger,
  parseMac,
  parseSize,
} from '@oxmem/tloe-protocol/text';

import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../observe/logger.ts';
import { parseListenAddress, type ListenAddress } from '../server/listen-address.ts';

/** The command line, read and checked. Nothing behind it looks at texts again. */
export interface Options {
  readonly netdev: string;
  /** MAC address of the endpoint, 6 bytes. */
  readonly mac: Uint8Array;
  /** Bytes of remote memory, 512 to 2^53 - 1, a multiple of `blockSize`. */
  readonly size: number;
  /** First remote address, a multiple of 8; base + size is at most 2^64. */
  readonly base: RemoteAddress;
  /** Undefined: no export on a socket. */
  readonly listen: ListenAddress | undefined;
  readonly readOnly: boolean;
  /** 512, 1024, 2048 or 4096. */
  readonly blockSize: number;
  /** Largest TileLink access, log2 bytes, 3 to 12. */
  readonly maxRequest: number;
  /** TileLink accesses in flight at most, a power of two up to 1024. */
  readonly window: number;
  readonly busyPoll: Micros;
  readonly dataOrder: DataOrder;
  /** `auto`: recognised by the endpoint's answer. */
  readonly profile: PeerProfileName | 'auto';
  readonly requestTimeout: Micros;
  readonly openTimeout: Micros;
  readonly endpointLost: 'fail' | 'wait';
  readonly pcap: string | undefined;
  readonly pidFile: string | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** Accesses in flight that `auto` means: enough for a wire of 10 Gbit/s. */
const DEFAULT_WINDOW = 256;

/** How one option is written, explained and read. */
export interface OptionRule<Value> {
  /** Long name and, unless it is a mere switch, what follows: `--size=SIZE`. */
  readonly flag: string;
  readonly group: 'Remote memory' | 'Export' | 'Tuning' | 'Faults and observation';
  readonly help: string;
  /** What a good value is, for the sentence about a bad one. */
  readonly expected: string;
  /** undefined: the value is bad. */
  readonly parse: (text: string) => Value | undefined;
  /** Without the option; absent: the option is required. */
  readonly fallback?: Value;
}

type OptionRules = { readonly [Name in keyof Options]: OptionRule<Options[Name]> };

/** Every option there is, in the order of `--help`. */
export const OPTION_RULES: OptionRules = {
  netdev: {
    flag: '--netdev=DEV',
    group: 'Remote memory',
    help: 'network interface (required)',
    expected: 'the name of a network interface, for example eth0',
    parse: (text) => (/^[^\s/]{1,15}$/.test(text) ? text : undefined),
  },
  mac: {
    flag: '--mac=MAC',
    group: 'Remote memory',
    help: 'MAC address of the endpoint (required)',
    expected:
      'the MAC address of one station, for example 04:00:00:00:00:01 (no multicast or broadcast)',
    parse: parseStationMac,
  },
  size: {
    flag: '--size=SIZE',
    group: 'Remote memory',
    help: 'bytes of remote memory, with K, M, G or T (required)',
    expected: 'a number of bytes from 512 to 2^53 - 1, with K, M, G or T if you like: 8G',
    parse: (text) => atLeast(512, parseSize(text)),
  },
  base: {
    flag: '--base=ADDR',
    group: 'Remote memory',
    help: 'first remote address, hexadecimal (default 0x0)',
    expected: 'a hexadecimal address of up to 64 bits that is a multiple of 8',
    parse: (text) => {
      const address = parseAddress(text);
      return address !== undefined && address.low % 8 === 0 ? address : undefined;
    },
    fallback: ADDRESS_ZERO,
  },
  listen: {
    flag: '--listen=ADDRESS',
    group: 'Export',
    help: 'NBD export at unix:PATH or tcp:HOST:PORT',
    expected: 'unix:PATH (at most 107 bytes) or tcp:HOST:PORT, for example tcp:[::1]:10809',
    parse: parseListenAddress,
    fallback: undefined,
  },
  readOnly: {
    flag: '--read-only',
    group: 'Export',
    help: 'refuse writes',
    expected: 'no value',
    parse: () => true,
    fallback: false,
  },
  blockSize: {
    flag: '--block-size=N',
    group: 'Export',
    help: 'block size told to clients (default 4096)',
    expected: 'a power of two from 512 to 4096',
    parse: (text) => powerOfTwo(512, 4096, parseSize(text)),
    fallback: 4096,
  },
  maxRequest: {
    flag: '--max-request=BYTES',
    group: 'Tuning',
    help: 'largest TileLink access, 8 to 4096 (default 1024)',
    expected: 'a power of two from 8 to 4096',
    parse: (text) => {
      const bytes = powerOfTwo(8, 4096, parseSize(text));
      return bytes === undefined ? undefined : log2Exact(bytes);
    },
    fallback: 10,
  },
  window: {
    flag: '--window=N',
    group: 'Tuning',
    help: 'accesses in flight, or auto (default auto: 256)',
    expected: 'auto, or a power of two from 1 to 1024',
    parse: (text) =>
      text === 'auto'
        ? DEFAULT_WINDOW
        : powerOfTwo(1, 1024, parseInteger(text, { min: 1, max: 1024 })),
    fallback: DEFAULT_WINDOW,
  },
  busyPoll: {
    flag: '--busy-poll=DURATION',
    group: 'Tuning',
    help: 'spin so long for the next frame (default 0)',
    expected: 'a duration of at most 1s, for example 50us, or 0',
    parse: (text) => atMost(SECOND, parseDuration(text)),
    fallback: 0,
  },
  dataOrder: {
    flag: '--data-order=ORDER',
    group: 'Tuning',
    help: 'byte order of data, raw or spec (default raw)',
    expected: 'raw or spec',
    parse: (text) => oneOf(['raw', 'spec'] as const, text),
    fallback: 'raw',
  },
  profile: {
    flag: '--profile=NAME',
    group: 'Tuning',
    help: 'peer: auto, generic, oxmem, memnode, wdhw, etri',
    expected: 'auto, generic, oxmem, memnode, wdhw or etri',
    parse: (text) => oneOf(['auto', ...(Object.keys(PEER_PROFILES) as PeerProfileName[])], text),
    fallback: 'auto',
  },
  requestTimeout: {
    flag: '--request-timeout=TIME',
    group: 'Faults and observation',
    help: 'ask again after so long without answer (default 1s)',
    expected: 'a duration from 1ms to 10m, for example 500ms',
    parse: parseTimeout,
    fallback: SECOND,
  },
  openTimeout: {
    flag: '--open-timeout=TIME',
    group: 'Faults and observation',
    help: 'give up opening after so long (default 5s)',
    expected: 'a duration from 1ms to 10m, for example 5s',
    parse: parseTimeout,
    fallback: 5 * SECOND,
  },
  endpointLost: {
    flag: '--endpoint-lost=HOW',
    group: 'Faults and observation',
    help: 'while it is silent, fail or wait (default fail)',
    expected: 'fail or wait',
    parse: (text) => oneOf(['fail', 'wait'] as const, text),
    fallback: 'fail',
  },
  pcap: {
    flag: '--pcap=FILE',
    group: 'Faults and observation',
    help: 'capture every frame in a file for Wireshark',
    expected: 'the path of a file',
    parse: parsePath,
    fallback: undefined,
  },
  pidFile: {
    flag: '--pid-file=PATH',
    group: 'Faults and observation',
    help: 'write the process id here once ready',
    expected: 'the path of a file',
    parse: parsePath,
    fallback: undefined,
  },
  logLevel: {
    flag: '--log-level=LEVEL',
    group: 'Faults and observation',
    help: `${LOG_LEVELS.join(', ')}`,
    expected: LOG_LEVELS.join(', '),
    parse: (text) => oneOf(LOG_LEVELS, text),
    fallback: 'info',
  },
  logFormat: {
    flag: '--log-format=FORMAT',
    group: 'Faults and observation',
    help: 'text or json (default text)',
    expected: 'text or json',
    parse: (text) => oneOf(LOG_FORMATS, text),
    fallback: 'text',
  },
};

/** A command line that was understood, or what is wrong with it in one sentence. */
export type ParsedOptions =
  | { readonly isValid: true; readonly options: Options }
  | { readonly isValid: false; readonly sentence: string };

/**
 * Reads the texts of a command line.
 *
 * @param texts  by the names of `Options`; `true` for a switch; absent ones take their default
 */
export function parseOptions(texts: Readonly<Record<string, string | true>>): ParsedOptions {
  const values: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries(OPTION_RULES) as [string, OptionRule<unknown>][]) {
    const text = texts[name];
    const long = rule.flag.split('=')[0];
    if (text === undefined) {
      if (!('fallback' in rule)) return bad(`${long} is missing: it takes ${rule.expected}.`);
      values[name] = rule.fallback;
      continue;
    }
    values[name] = rule.parse(text === true ? '' : text);
    if (values[name] === undefined) {
      return bad(`${long}: ${quote(text)} will not do, it takes ${rule.expected}.`);
    }
  }
  return checkTogether(values as unknown as Options);
}

function checkTogether(options: Options): ParsedOptions {
  const { size, blockSize, base } = options;
  if (size % blockSize !== 0) {
    return bad(
      `--size: "${size}" bytes are not a multiple of --block-size, which is ${blockSize}.`,
    );
  }
  if (addressPlus(base, size - 1) === undefined) {
    const from = formatAddress(base);
    return bad(
      `--size: "${size}" bytes from --base ${from} on reach beyond the last address, 2^64.`,
    );
  }
  return { isValid: true, options };
}

function bad(sentence: string): ParsedOptions {
  return { isValid: false, sentence };
}

function quote(text: string | true): string {
  return JSON.stringify(text === true ? '' : text);
}

function parseStationMac(text: string): Uint8Array | undefined {
  const mac = parseMac(text);
  return mac === undefined || isMulticastMac(mac) ? undefined : mac;
}

function parseTimeout(text: string): Micros | undefined {
  return atLeast(1_000, atMost(600 * SECOND, parseDuration(text)));
}

function parsePath(text: string): string | undefined {
  return text === '' || text.includes('\0') ? undefined : text;
}

function atLeast(least: number, value: number | undefined): number | undefined {
  return value === undefined || value < least ? undefined : value;
}

function atMost(most: number, value: number | undefined): number | undefined {
  return value === undefined || value > most ? undefined : value;
}

function powerOfTwo(least: number, most: number, value: number | undefined): number | undefined {
  const bounded = atLeast(least, atMost(most, value));
  return bounded !== undefined && isPowerOfTwo(bounded) ? bounded : undefined;
}

function oneOf<Name extends string>(names: readonly Name[], text: string): Name | undefined {
  return names.find((name) => name === text);
}
