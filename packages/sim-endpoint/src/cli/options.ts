import {
  SECOND,
  isPowerOfTwo,
  parseAddress,
  parseInteger,
  parseSize,
  type DataOrder,
  type RemoteAddress,
} from '@oxmem/tloe-protocol';
import {
  parseDuration,
  parseLocalHostPort,
  parseSeconds,
  type HostPort,
} from '@oxmem/tloe-protocol/text';
import { MAX_ACCESS_BYTES } from '../compose-endpoint.ts';
import {
  ENDPOINT_PROFILE_NAMES,
  isEndpointProfile,
  type EndpointProfileName,
} from '../endpoint-profile.ts';
import { FAULT_SYNTAX, parseFaultSpec } from '../faults/parse-fault-spec.ts';

/** What the command was told. */
export interface CliOptions {
  readonly netdev: string;
  readonly sizeBytes: number;
  readonly base: RemoteAddress;
  readonly backing: string | undefined;
  /** Undefined: that of the profile, raw if it has none. */
  readonly dataOrder: DataOrder | undefined;
  readonly profile: EndpointProfileName;
  readonly maxConnections: number;
  readonly maxRequestBytes: number;
  /** How long it spins for the next frame before it sleeps, in microseconds. */
  readonly busyPollMicros: number;
  readonly range: 'deny' | 'wrap';
  readonly alignment: 'deny' | 'allow';
  /** As typed; each has been understood. */
  readonly faults: readonly string[];
  readonly seed: number | undefined;
  readonly statsFile: string | undefined;
  readonly statsIntervalMicros: number;
  /** Where Prometheus finds metrics. */
  readonly metrics: HostPort | undefined;
  readonly pcap: string | undefined;
  readonly pidFile: string | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: 'text' | 'json';
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type OptionGroup = 'Memory' | 'Initiators' | 'Faults' | 'Observation';

/** One option: how it looks, and how its value is read. */
export interface OptionSyntax {
  readonly name: string;
  /** The heading under which `--help` has it. */
  readonly group: OptionGroup;
  /** Stands for the value in the help. */
  readonly value: string;
  readonly help: string;
  /** Taken if the option is not given; undefined: none, or the option is required. */
  readonly fallback?: string | undefined;
  readonly isRequired?: boolean;
  /** Says what is wrong with a value; undefined: nothing. */
  readonly problem: (text: string) => string | undefined;
}

const PATH_EXPECTED = 'the path of a file';

/** All options with values, in the order of the help. */
export const OPTIONS: readonly OptionSyntax[] = [
  {
    name: 'netdev',
    group: 'Memory',
    value: 'DEV',
    help: 'network interface to serve on',
    isRequired: true,
    problem: (text) => expected(text !== '', 'the name of a network interface such as eth0'),
  },
  {
    name: 'size',
    group: 'Memory',
    value: 'SIZE',
    help: 'bytes of memory, with K, M, G or T',
    isRequired: true,
    problem: (text) => expected((parseSize(text) ?? 0) > 0, 'a size from 1 byte on, such as 8G'),
  },
  {
    name: 'base',
    group: 'Memory',
    value: 'ADDR',
    help: 'first address served, hexadecimal',
    fallback: '0x0',
    problem: (text) =>
      expected(parseAddress(text) !== undefined, 'a hexadecimal address such as 0x80000000'),
  },
  {
    name: 'backing',
    group: 'Memory',
    value: 'FILE',
    help: 'keep the memory in this file instead of RAM',
    problem: (text) => expected(text !== '', PATH_EXPECTED),
  },
  {
    ...oneOf('Memory', 'data-order', ['raw', 'spec'], 'byte order of data words on the wire'),
    help: "byte order; default: raw, or the profile's own",
    fallback: undefined,
  },
  {
    name: 'profile',
    group: 'Initiators',
    value: 'NAME',
    help: `${ENDPOINT_PROFILE_NAMES.join(', ')}`,
    fallback: 'auto',
    problem: (text) => expected(isEndpointProfile(text), listOf(ENDPOINT_PROFILE_NAMES)),
  },
  {
    name: 'max-connections',
    group: 'Initiators',
    value: 'N',
    help: 'initiators served at once',
    fallback: '8',
    problem: (text) =>
      expected(parseInteger(text, CONNECTIONS) !== undefined, 'a number from 1 to 1024'),
  },
  {
    name: 'max-request',
    group: 'Initiators',
    value: 'BYTES',
    help: 'largest access that is not denied',
    fallback: String(MAX_ACCESS_BYTES),
    problem: (text) => expected(isAccessSize(parseSize(text)), 'a power of two from 8 to 4096'),
  },
  {
    name: 'busy-poll',
    group: 'Initiators',
    value: 'DURATION',
    help: 'spin so long for the next frame',
    fallback: '0',
    problem: (text) =>
      expected((parseDuration(text) ?? Infinity) <= SECOND, 'a duration up to 1s, such as 50us'),
  },
  oneOf('Initiators', 'range', ['deny', 'wrap'], 'accesses outside the memory'),
  oneOf('Initiators', 'alignment', ['deny', 'allow'], 'accesses that are not aligned'),
  {
    name: 'fault',
    group: 'Faults',
    value: 'SPEC',
    help: 'make something go wrong; see --help-faults',
    problem: (text) => {
      const result = parseFaultSpec(text);
      return result.ok ? undefined : `expected ${FAULT_SYNTAX}: ${result.reason}`;
    },
  },
  {
    name: 'seed',
    group: 'Faults',
    value: 'N',
    help: 'where the chances of --fault begin; or logged',
    problem: (text) =>
      expected(parseInteger(text, SEEDS) !== undefined, 'a whole number from 0 to 2^53 - 1'),
  },
  {
    name: 'stats-file',
    group: 'Observation',
    value: 'PATH',
    help: 'counters as JSON, replaced again and again',
    problem: (text) => expected(text !== '', PATH_EXPECTED),
  },
  {
    name: 'stats-interval',
    group: 'Observation',
    value: 'SECONDS',
    help: 'how often',
    fallback: '2',
    problem: (text) =>
      expected(parseInterval(text) !== undefined, 'seconds from 0.1 to 3600, for example 2 or 0.5'),
  },
  {
    name: 'metrics',
    group: 'Observation',
    value: 'HOST:PORT',
    help: 'serve /metrics for Prometheus, and /healthz',
    problem: (text) =>
      expected(
        parseLocalHostPort(text) !== undefined,
        'HOST:PORT, or a port of 127.0.0.1, for example 127.0.0.1:9464 or 9464',
      ),
  },
  {
    name: 'pcap',
    group: 'Observation',
    value: 'FILE',
    help: 'capture every frame in a file for Wireshark',
    problem: (text) => expected(text !== '', PATH_EXPECTED),
  },
  {
    name: 'pid-file',
    group: 'Observation',
    value: 'PATH',
    help: 'write the process id here once it serves',
    problem: (text) => expected(text !== '', PATH_EXPECTED),
  },
  { ...oneOf('Observation', 'log-level', LOG_LEVELS, ''), fallback: 'info' },
  oneOf('Observation', 'log-format', ['text', 'json'], 'form of log lines'),
];

/** The texts of all options, by name; an option that was not given has its fallback, or none. */
export type OptionTexts = ReadonlyMap<string, readonly string[]>;

/**
 * The options that texts without a problem stand for. The texts of required options are there.
 */
export function optionsOf(texts: OptionTexts): CliOptions {
  const text = (name: string): string | undefined => texts.get(name)?.at(-1);
  const given = (name: string): string => text(name) ?? '';
  return {
    netdev: given('netdev'),
    sizeBytes: parseSize(given('size')) ?? 0,
    base: parseAddress(given('base')) ?? { high: 0, low: 0 },
    backing: text('backing'),
    dataOrder: text('data-order') as DataOrder | undefined,
    profile: given('profile') as EndpointProfileName,
    maxConnections: Number(given('max-connections')),
    maxRequestBytes: parseSize(given('max-request')) ?? 0,
    busyPollMicros: parseDuration(given('busy-poll')) ?? 0,
    range: given('range') as 'deny' | 'wrap',
    alignment: given('alignment') as 'deny' | 'allow',
    faults: texts.get('fault') ?? [],
    seed: text('seed') === undefined ? undefined : Number(text('seed')),
    statsFile: text('stats-file'),
    statsIntervalMicros: parseInterval(given('stats-interval')) ?? 0,
    metrics: parseLocalHostPort(given('metrics')),
    pcap: text('pcap'),
    pidFile: text('pid-file'),
    logLevel: given('log-level') as LogLevel,
    logFormat: given('log-format') as 'text' | 'json',
  };
}

function oneOf(
  group: OptionGroup,
  name: string,
  values: readonly [string, ...string[]],
  help: string,
): OptionSyntax {
  return {
    name,
    group,
    value: values.length > 2 ? 'LEVEL' : values.join('|'),
    help: values.length > 2 ? values.join(', ') : help,
    fallback: values[0],
    problem: (text) => expected(values.includes(text), listOf(values)),
  };
}

function listOf(values: readonly string[]): string {
  return `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}

function expected(isRight: boolean, what: string): string | undefined {
  return isRight ? undefined : `expected ${what}`;
}

function isAccessSize(bytes: number | undefined): boolean {
  if (bytes === undefined || !isPowerOfTwo(bytes)) return false;
  return bytes >= 8 && bytes <= MAX_ACCESS_BYTES;
}

const CONNECTIONS = { min: 1, max: 1024 };
const SEEDS = { min: 0, max: Number.MAX_SAFE_INTEGER };

function parseInterval(text: string): number | undefined {
  const micros = parseSeconds(text) ?? 0;
  return micros >= SECOND / 10 && micros <= 3_600 * SECOND ? micros : undefined;
}
