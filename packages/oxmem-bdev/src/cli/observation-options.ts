import { SECOND, type Micros } from '@oxmem/tloe-protocol';
import { parseLocalHostPort, parseSeconds, type HostPort } from '@oxmem/tloe-protocol/text';

import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../observe/log-settings.ts';
import { atLeast, atMost, oneOf, parsePath } from './option-values.ts';
import type { ValueRule } from './value-rules.ts';

/** What the driver tells of itself while it runs. */
export interface ObservationOptions {
  /** File that is replaced by fresh counters again and again; undefined: none. */
  readonly statsFile: string | undefined;
  /** How often, 0.1 s to 1 h. */
  readonly statsInterval: Micros;
  /** Where Prometheus finds metrics; undefined: nowhere. */
  readonly metrics: HostPort | undefined;
  readonly pcap: string | undefined;
  readonly pidFile: string | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

type Rules = {
  readonly [Name in keyof ObservationOptions]: ValueRule<ObservationOptions[Name]> & {
    readonly group: 'Observation';
  };
};

/** Their options. */
export const OBSERVATION_RULES: Rules = {
  statsFile: {
    flag: '--stats-file=PATH',
    group: 'Observation',
    help: 'counters as JSON, replaced again and again',
    expected: 'the path of a file',
    parse: parsePath,
    fallback: undefined,
  },
  statsInterval: {
    flag: '--stats-interval=SECONDS',
    group: 'Observation',
    help: 'how often (default 2)',
    expected: 'seconds from 0.1 to 3600, for example 2 or 0.5',
    parse: (text) => atLeast(SECOND / 10, atMost(3_600 * SECOND, parseSeconds(text))),
    fallback: 2 * SECOND,
  },
  metrics: {
    flag: '--metrics=HOST:PORT',
    group: 'Observation',
    help: 'serve /metrics for Prometheus, and /healthz',
    expected: 'HOST:PORT, or a port of 127.0.0.1, for example 127.0.0.1:9464 or 9464',
    parse: parseLocalHostPort,
    fallback: undefined,
  },
  pcap: {
    flag: '--pcap=FILE',
    group: 'Observation',
    help: 'capture every frame in a file for Wireshark',
    expected: 'the path of a file',
    parse: parsePath,
    fallback: undefined,
  },
  pidFile: {
    flag: '--pid-file=PATH',
    group: 'Observation',
    help: 'write the process id here once ready',
    expected: 'the path of a file',
    parse: parsePath,
    fallback: undefined,
  },
  logLevel: {
    flag: '--log-level=LEVEL',
    group: 'Observation',
    help: `${LOG_LEVELS.join(', ')}`,
    expected: LOG_LEVELS.join(', '),
    parse: (text) => oneOf(LOG_LEVELS, text),
    fallback: 'info',
  },
  logFormat: {
    flag: '--log-format=FORMAT',
    group: 'Observation',
    help: 'text or json (default text)',
    expected: 'text or json',
    parse: (text) => oneOf(LOG_FORMATS, text),
    fallback: 'text',
  },
};
