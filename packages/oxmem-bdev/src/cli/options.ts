import type { AttachRequest } from '@oxmem/nbd-kernel';
import {
  ADDRESS_ZERO,
  PEER_PROFILES,
  SECOND,
  addressPlus,
  log2Exact,
  type DataOrder,
  type Micros,
  type PeerProfileName,
  type RemoteAddress,
} from '@oxmem/tloe-protocol';
import {
  formatAddress,
  parseAddress,
  parseDuration,
  parseInteger,
  parseSize,
} from '@oxmem/tloe-protocol/text';

import { OBSERVATION_RULES, type ObservationOptions } from './observation-options.ts';
import {
  atLeast,
  atMost,
  oneOf,
  parsePath,
  parseStationMac,
  parseTimeout,
  powerOfTwo,
  wholeSeconds,
} from './option-values.ts';
import { readValues, type ReadValues, type ValueRule, type ValueTexts } from './value-rules.ts';
import { parseListenAddress, type ListenAddress } from '../server/listen-address.ts';

/** The command line, read and checked. Nothing behind it looks at texts again. */
export interface Options extends ObservationOptions {
  readonly netdev: string;
  /** MAC address of the endpoint, 6 bytes. */
  readonly mac: Uint8Array;
  /** Bytes of remote memory, 512 to 2^53 - 1, a multiple of `blockSize`. */
  readonly size: number;
  /** First remote address, a multiple of 8; base + size is at most 2^64. */
  readonly base: RemoteAddress;
  /** Kernel device of the first slice, a path below /dev or `auto`; undefined: the default. */
  readonly device: string | undefined;
  /** Devices that the memory is split over evenly, 1 to 16. */
  readonly num: number;
  /** Kernel interface; `auto`: netlink where it works, else ioctl. */
  readonly attach: AttachRequest;
  /** Take over devices whose driver is gone or is asked to go. */
  readonly takeover: boolean;
  /** How long I/O waits for a successor after this driver died, 0 to 1 h in whole seconds. */
  readonly restartWait: Micros;
  /** Prepare this process for serving swap space. */
  readonly swap: boolean;
  /** Undefined: kernel devices instead of an export on a socket. */
  readonly listen: ListenAddress | undefined;
  /** Files in PEM format for TLS on the export; the first two go together. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsCa: string | undefined;
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
  /** Whether an endpoint that has forgotten the connection may prove what it holds, and serve on. */
  readonly endpointRestarted: 'prove' | 'fail';
}

/** Accesses in flight that `auto` means: enough for a wire of 10 Gbit/s. */
const DEFAULT_WINDOW = 256;

/** Devices of one driver at most. */
export const MAX_DEVICES = 16;
/** The kernel device when nothing else is said. */
export const DEFAULT_DEVICE = '/dev/nbd0';

/** How one option is written, explained and read. */
export interface OptionRule<Value> extends ValueRule<Value> {
  readonly group: 'Remote memory' | 'Device' | 'Tuning' | 'Faults' | 'Observation';
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
  device: {
    flag: '--device=DEV',
    group: 'Device',
    help: 'first kernel device, or auto (default /dev/nbd0)',
    expected: 'auto or a kernel device, for example /dev/nbd0',
    parse: (text) => (text === 'auto' || /^\/dev\/[^\s/]+$/.test(text) ? text : undefined),
    fallback: undefined,
  },
  num: {
    flag: '--num=N',
    group: 'Device',
    help: 'split the memory evenly over N devices (default 1)',
    expected: `a number of devices from 1 to ${MAX_DEVICES}`,
    parse: (text) => parseInteger(text, { min: 1, max: MAX_DEVICES }),
    fallback: 1,
  },
  attach: {
    flag: '--attach=HOW',
    group: 'Device',
    help: 'netlink or ioctl (default netlink if it works)',
    expected: 'netlink, ioctl or auto',
    parse: (text) => oneOf(['auto', 'netlink', 'ioctl'] as const, text),
    fallback: 'auto',
  },
  takeover: {
    flag: '--takeover',
    group: 'Device',
    help: 'take the device over from a driver that died',
    expected: 'no value',
    parse: () => true,
    fallback: false,
  },
  restartWait: {
    flag: '--restart-wait=TIME',
    group: 'Device',
    help: 'I/O waits so long for a new driver (default 30s)',
    expected: 'a duration from 0 to 60m in whole seconds, for example 30s',
    parse: (text) => wholeSeconds(atMost(3_600 * SECOND, parseDuration(text))),
    fallback: 30 * SECOND,
  },
  swap: {
    flag: '--swap',
    group: 'Device',
    help: 'prepare for swap space on it (see the README)',
    expected: 'no value',
    parse: () => true,
    fallback: false,
  },
  listen: {
    flag: '--listen=ADDRESS',
    group: 'Device',
    help: 'instead: NBD export, unix:PATH or tcp:HOST:PORT',
    expected: 'unix:PATH (at most 107 bytes) or tcp:HOST:PORT, for example tcp:[::1]:10809',
    parse: parseListenAddress,
    fallback: undefined,
  },
  tlsCert: {
    flag: '--tls-cert=FILE',
    group: 'Device',
    help: 'TLS on the export: certificate,',
    expected: 'the path of a file in PEM format',
    parse: parsePath,
    fallback: undefined,
  },
  tlsKey: {
    flag: '--tls-key=FILE',
    group: 'Device',
    help: 'its private key,',
    expected: 'the path of a file in PEM format',
    parse: parsePath,
    fallback: undefined,
  },
  tlsCa: {
    flag: '--tls-ca=FILE',
    group: 'Device',
    help: 'and who signs those that clients must have',
    expected: 'the path of a file in PEM format',
    parse: parsePath,
    fallback: undefined,
  },
  readOnly: {
    flag: '--read-only',
    group: 'Device',
    help: 'refuse writes',
    expected: 'no value',
    parse: () => true,
    fallback: false,
  },
  blockSize: {
    flag: '--block-size=N',
    group: 'Device',
    help: 'block size of the device (default 4096)',
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
    group: 'Faults',
    help: 'ask again after so long without answer (default 1s)',
    expected: 'a duration from 1ms to 10m, for example 500ms',
    parse: parseTimeout,
    fallback: SECOND,
  },
  openTimeout: {
    flag: '--open-timeout=TIME',
    group: 'Faults',
    help: 'give up opening after so long (default 5s)',
    expected: 'a duration from 1ms to 10m, for example 5s',
    parse: parseTimeout,
    fallback: 5 * SECOND,
  },
  endpointLost: {
    flag: '--endpoint-lost=HOW',
    group: 'Faults',
    help: 'while it is silent, fail or wait (default fail)',
    expected: 'fail or wait',
    parse: (text) => oneOf(['fail', 'wait'] as const, text),
    fallback: 'fail',
  },
  endpointRestarted: {
    flag: '--endpoint-restarted=HOW',
    group: 'Faults',
    help: 'if it forgot us, prove or fail (default prove)',
    expected: 'prove or fail',
    parse: (text) => oneOf(['prove', 'fail'] as const, text),
    fallback: 'prove',
  },
  ...OBSERVATION_RULES,
};

/** Reads the texts of a command line, by the names of `Options`; absent ones take their default. */
export function parseOptions(texts: ValueTexts): ReadValues<Options> {
  const values = readValues<Options>(OPTION_RULES, texts);
  if (!values.isValid) return values;
  const { statsInterval } = texts;
  if (statsInterval !== undefined && values.options.statsFile === undefined) {
    return bad('--stats-interval needs --stats-file: it says how often that file is written.');
  }
  return checkTogether(values.options);
}

/** These say how a kernel device is attached. */
const KERNEL_ONLY = ['device', 'attach', 'takeover', 'restartWait', 'swap'] as const;

function checkTogether(options: Options): ReadValues<Options> {
  const { size, blockSize, base, num } = options;
  if (size % blockSize !== 0) {
    return bad(
      `--size: "${size}" bytes are not a multiple of --block-size, which is ${blockSize}.`,
    );
  }
  if (size % (num * blockSize) !== 0) {
    return bad(
      `--num: "${num}" devices cannot share ${size} bytes evenly in blocks of ${blockSize}; ` +
        'choose another --num, --size or --block-size.',
    );
  }
  if (addressPlus(base, size - 1) === undefined) {
    const from = formatAddress(base);
    return bad(
      `--size: "${size}" bytes from --base ${from} on reach beyond the last address, 2^64.`,
    );
  }
  for (const name of options.listen === undefined ? [] : KERNEL_ONLY) {
    const { flag, fallback } = OPTION_RULES[name];
    if (options[name] === fallback) continue;
    return bad(`${flag.split('=')[0]} is for kernel devices and cannot go with --listen.`);
  }
  const tls = checkTls(options);
  if (tls !== undefined) return bad(tls);
  if (options.takeover && options.attach === 'ioctl') {
    return bad('--takeover needs netlink: leave --attach=ioctl out.');
  }
  return { isValid: true, options };
}

/** One sentence about TLS options that do not go together. */
function checkTls({ listen, tlsCert, tlsKey, tlsCa }: Options): string | undefined {
  if ((tlsCert ?? tlsKey ?? tlsCa) === undefined) return undefined;
  if (listen === undefined) return '--tls-cert, --tls-key and --tls-ca need --listen.';
  if (tlsCert === undefined) return '--tls-cert is missing: TLS needs a certificate and its key.';
  if (tlsKey === undefined) return '--tls-key is missing: TLS needs a certificate and its key.';
  return undefined;
}

function bad(sentence: string): ReadValues<Options> {
  return { isValid: false, sentence };
}
