import type { RawSocket } from '@oxmem/rawsock';
import type { Clock, Micros } from '@oxmem/tloe-protocol';
import type { MetricsServer, StatsFile } from '@oxmem/tloe-protocol/observe';
import { formatAddress, formatHostPort, formatMac } from '@oxmem/tloe-protocol/text';

import type { Options } from '../cli/options.ts';
import { readVersion } from '../cli/program-version.ts';
import type { RemoteBlockDevice } from '../device/remote-block-device.ts';
import { deviceSlices, exportName, type DeviceSlice } from '../device/device-slices.ts';
import type { EndpointMemory } from '../endpoint/endpoint-memory.ts';
import { DriverError, systemCode } from '../errors.ts';
import type { ReadyPlace } from '../runtime/front-end.ts';
import type { DriverFacts, DriverReport, ReportSource } from './driver-report.ts';
import type { Logger } from './logger.ts';

/** What is observed. */
export interface Observed {
  readonly memory: EndpointMemory;
  readonly devices: readonly RemoteBlockDevice[];
  readonly socket: RawSocket;
}

/** What an observation needs of its surroundings. */
export interface ObservationPorts {
  readonly clock: Clock;
  /** Microseconds since the start of 1970, by the machine's clock. */
  readonly unixMicros: () => Micros;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/**
 * Tells others how a driver fares: in a stats file, to Prometheus, and to whoever asks its claim on
 * the endpoint (`oxmem-bdev top`). It reads what is counted anyway; reports are made when somebody
 * wants one, and what makes them is loaded for the first.
 */
export class Observation {
  readonly #observed: Observed;
  readonly #options: Options;
  readonly #ports: ObservationPorts;
  readonly #begun: Micros;
  readonly #facts: DriverFacts;
  readonly #slices: readonly DeviceSlice[];
  /** Undefined: the devices cannot be used yet. */
  #names: readonly string[] | undefined;
  #file: StatsFile<DriverReport> | undefined = undefined;
  #server: MetricsServer | undefined = undefined;
  #text: Promise<string> | undefined = undefined;
  #textAt: Micros = -Infinity;
  #isClosed = false;

  constructor(observed: Observed, options: Options, ports: ObservationPorts) {
    this.#observed = observed;
    this.#options = options;
    this.#ports = ports;
    this.#begun = ports.clock.now();
    const { netdev, mac, window } = options;
    const version = readVersion();
    this.#facts = { version, pid: process.pid, netdev, endpoint: formatMac(mac), window };
    this.#slices = deviceSlices(options);
    // Exports have theirs from the start; kernel devices have their paths when they are attached.
    this.#names =
      options.listen && this.#slices.map((slice) => exportName(slice, this.#slices.length));
  }

  /**
   * Begins to tell what the options ask for.
   *
   * @throws DriverError ERR_OXMEM_FILE, ERR_OXMEM_LISTEN_BUSY, ERR_OXMEM_LISTEN_PERMISSION,
   *         ERR_OXMEM_LISTEN
   */
  async start(): Promise<void> {
    const { statsFile, metrics } = this.#options;
    if (statsFile !== undefined) await this.#openFile(statsFile);
    if (metrics === undefined) return;
    try {
      await this.#openServer(metrics);
    } catch (thrown) {
      throw metricsError(`--metrics: ${formatHostPort(metrics)}`, thrown);
    }
  }

  /** The devices can be used, and have names now. */
  attached(places: readonly ReadyPlace[]): void {
    this.#names ??= places.map(({ name }) => name);
  }

  /** The report as JSON, for programs that ask often; it may be a tenth of a second old. */
  text(): Promise<string> {
    const now = this.#ports.clock.now();
    if (this.#text === undefined || now - this.#textAt >= TEXT_LIFE_MICROS) {
      this.#text = this.#makeText();
      this.#textAt = now;
    }
    return this.#text;
  }

  /** Ends all of it; the stats file gets the last counts. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#isClosed = true;
    this.#server?.close();
    this.#file = undefined;
    this.#server = undefined;
    await file?.close();
  }

  async #makeText(): Promise<string> {
    const { driverReport } = await import('./driver-report.ts');
    return JSON.stringify({
      ...driverReport(this.#source()),
      place: this.#place(),
    });
  }

  /** Where an export listens. */
  #place(): string | null {
    const { listen } = this.#options;
    if (listen === undefined) return null;
    return listen.kind === 'unix' ? `unix:${listen.path}` : `tcp:${formatHostPort(listen)}`;
  }

  async #openFile(path: string): Promise<void> {
    const { StatsFile } = await import('@oxmem/tloe-protocol/observe');
    const { driverReport } = await import('./driver-report.ts');
    const { periodReport } = await import('./period-report.ts');
    const { clock, logger } = this.#ports;
    const { statsInterval } = this.#options;
    // Somebody may have asked to stop while this was loaded.
    if (this.#isClosed) return;
    try {
      this.#file = new StatsFile({
        path,
        intervalMicros: statsInterval,
        clock,
        read: () => driverReport(this.#source()),
        report: (now, before) => periodReport(now, before, statsInterval / 1e6),
        onFailure: (error) => logger.warn(`the stats file is not written: ${error.message}`),
      });
    } catch (thrown) {
      const code = systemCode(thrown) ?? 'an unknown error';
      throw new DriverError(
        'ERR_OXMEM_FILE',
        `--stats-file: "${path}" cannot be written (${code}); name a file in a folder of yours.`,
        thrown,
      );
    }
  }

  async #openServer(address: NonNullable<Options['metrics']>): Promise<void> {
    const { MetricsServer, metricText } = await import('@oxmem/tloe-protocol/observe');
    const { driverReport } = await import('./driver-report.ts');
    const { DRIVER_METRICS } = await import('./driver-metrics.ts');
    const { memory } = this.#observed;
    this.#server = await MetricsServer.open({
      address,
      metrics: () => {
        const source = this.#source();
        const reported = source.devices;
        return metricText(DRIVER_METRICS, { ...driverReport(source), reported });
      },
      illness: () => (memory.isHealthy ? undefined : `the endpoint is not served: ${memory.state}`),
    });
    if (this.#isClosed) this.#server.close();
    const place = formatHostPort(this.#server.address);
    this.#ports.logger.info(`metrics at http://${place}/metrics`);
  }

  #source(): ReportSource {
    const { memory, devices, socket } = this.#observed;
    const { clock, unixMicros } = this.#ports;
    const names = this.#names;
    return {
      facts: this.#facts,
      timestamp: Math.round(unixMicros() / 1e3) / 1e3,
      uptimeSeconds: Math.round((clock.now() - this.#begun) / 1e3) / 1e3,
      memory,
      socket,
      devices: (names === undefined ? [] : devices).map((device, i) => ({
        name: names?.[i] ?? '',
        sizeBytes: device.sizeBytes,
        base: formatAddress(this.#slices[i]?.base ?? this.#options.base),
        stats: device.stats,
        inFlight: device.inFlight,
      })),
    };
  }
}

function metricsError(what: string, thrown: unknown): DriverError {
  switch (systemCode(thrown)) {
    case 'EADDRINUSE':
      return new DriverError(
        'ERR_OXMEM_LISTEN_BUSY',
        `${what} is in use by another program; stop it or choose another port.`,
        thrown,
      );
    case 'EACCES':
      return new DriverError(
        'ERR_OXMEM_LISTEN_PERMISSION',
        `${what} is not permitted; choose a port above 1023.`,
        thrown,
      );
    default:
      return new DriverError(
        'ERR_OXMEM_LISTEN',
        `${what} cannot be used (${systemCode(thrown) ?? 'an unknown error'}); name an address of ` +
          'this machine.',
        thrown,
      );
  }
}

/** Whoever asks all the time shall not keep the driver busy. */
const TEXT_LIFE_MICROS: Micros = 100_000;
