import { SECOND, formatHostPort } from '@oxmem/tloe-protocol';
import { SystemClock } from '@oxmem/tloe-protocol/node';
import type { MetricsServer, StatsFile } from '@oxmem/tloe-protocol/observe';
import type { RunningEndpoint } from '../start-endpoint.ts';
import type { EndpointReport } from './endpoint-report.ts';
import type { Logger } from './logger.ts';
import type { CliOptions } from './options.ts';

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
 * @throws Error of the system for a file that cannot be written, or an address that cannot be had
 */
export async function observeEndpoint(observed: EndpointObserved): Promise<EndpointObservation> {
  const { options, log } = observed;
  if (options.statsFile === undefined && options.metrics === undefined)
    return { close: async () => {} };
  const { MetricsServer, StatsFile, metricText } = await import('@oxmem/tloe-protocol/observe');
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
  let file: StatsFile<EndpointReport> | undefined;
  let server: MetricsServer | undefined;
  if (options.metrics !== undefined) {
    server = await MetricsServer.open({
      address: options.metrics,
      metrics: () => metricText(ENDPOINT_METRICS, endpointReport(source())),
      illness: () => undefined,
    });
    log.info(`metrics at http://${formatHostPort(server.address)}/metrics`);
  }
  try {
    if (options.statsFile !== undefined) {
      file = new StatsFile({
        path: options.statsFile,
        intervalMicros: options.statsIntervalMicros,
        clock,
        read: () => endpointReport(source()),
        report: (now, before) =>
          endpointPeriodReport(now, before, options.statsIntervalMicros / SECOND),
        onFailure: (error) => log.warn(`the stats file is not written: ${error.message}`),
      });
    }
  } catch (error) {
    server?.close();
    throw error;
  }
  return {
    close: async () => {
      server?.close();
      await file?.close();
    },
  };
}
