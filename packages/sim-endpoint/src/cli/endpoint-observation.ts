import { SECOND, formatHostPort } from '@oxmem/tloe-protocol';
import { SystemClock } from '@oxmem/tloe-protocol/node';
import type { MetricsServer, StatsFile } from '@oxmem/tloe-protocol/observe';
import type { RunningEndpoint } from '../start-endpoint.ts';
import type { EndpointReport } from './endpoint-report.ts';
import type { Logger } from './logger.ts';
import type { CliOptions } from './options.ts';
import { StartError } from './start-error.ts';

/** What is observed, by whom. */
export interface EndpointObserved {
  readonly endpoint: RunningEndpoint;
  readonly options: CliOptions;
  readonly pid: number;
  readonly log: Logger;
}

/** Tells others how an endpoint fares. */
export interface EndpointObservation {
  /** Ends it; the stats file gets the last counts. */
  close(): Promise<void>;
}

/**
 * Begins to write the stats file and to serve metrics, as far as the options ask for it; what that
 * takes is loaded only then.
 *
 * @throws StartError for a file that cannot be written, or an address that cannot be had
 */
export async function observeEndpoint(observed: EndpointObserved): Promise<EndpointObservation> {
  const { options, log } = observed;
  if (options.statsFile === undefined && options.metrics === undefined)
    return { close: async () => {} };
  const { StatsFile, metricText } = await import('@oxmem/tloe-protocol/observe');
  const { endpointPeriodReport, endpointReport } = await import('./endpoint-report.ts');
  const { ENDPOINT_METRICS } = await import('./endpoint-metrics.ts');
  const clock = new SystemClock();
  const begun = clock.now();
  const source = (): Parameters<typeof endpointReport>[0] => ({
    facts: {
      pid: observed.pid,
      netdev: options.netdev,
      mac: observed.endpoint.macText,
      size_bytes: options.sizeBytes,
    },
    timestamp: Math.round(clock.unixMicros() / 1e3) / 1e3,
    uptimeSeconds: Math.round((clock.now() - begun) / 1e3) / 1e3,
    stats: observed.endpoint.stats(),
  });
  const server = await openServer(observed, () =>
    metricText(ENDPOINT_METRICS, endpointReport(source())),
  );
  let file: StatsFile<EndpointReport> | undefined;
  try {
    if (options.statsFile !== undefined) {
      const intervalSeconds = options.statsIntervalMicros / SECOND;
      file = new StatsFile({
        path: options.statsFile,
        intervalMicros: options.statsIntervalMicros,
        clock,
        read: () => endpointReport(source()),
        report: (now, before) => endpointPeriodReport(now, before, intervalSeconds),
        onFailure: (error) => log.warn(`the stats file is not written: ${error.message}`),
      });
    }
  } catch (error) {
    server?.close();
    throw new StartError(
      `--stats-file: "${options.statsFile}" cannot be written: ${(error as Error).message}; name ` +
        'another place.',
      error,
    );
  }
  return {
    close: async () => {
      server?.close();
      await file?.close();
    },
  };
}

/** Serves metrics where they are asked for. @throws StartError */
async function openServer(
  { options: { metrics: address }, log }: EndpointObserved,
  metrics: () => string,
): Promise<MetricsServer | undefined> {
  if (address === undefined) return undefined;
  const { MetricsServer } = await import('@oxmem/tloe-protocol/observe');
  try {
    const server = await MetricsServer.open({ address, metrics, illness: () => undefined });
    log.info(`metrics at http://${formatHostPort(server.address)}/metrics`);
    return server;
  } catch (error) {
    throw new StartError(
      `--metrics: ${formatHostPort(address)} cannot be had: ${(error as Error).message}; name ` +
        'another port.',
      error,
    );
  }
}
