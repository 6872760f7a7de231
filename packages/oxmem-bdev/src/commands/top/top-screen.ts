import { formatSize } from '@oxmem/tloe-protocol/text';

import {
  PERIODS_KEPT,
  type DeviceRates,
  type DriverRates,
  type TransferRates,
} from './driver-rates.ts';
import { formatCount, formatMicros, formatRate, sparkline } from './quantities.ts';

/** How a screen is drawn. */
export interface ScreenStyle {
  readonly isColoured: boolean;
  readonly columns: number;
}

/** What is shown of the drivers. */
export interface Picture {
  readonly drivers: readonly DriverRates[];
  /** Interface and endpoint of those that did not answer. */
  readonly silent: readonly string[];
}

/** The whole screen of `oxmem-bdev top`, lines without their ends. */
export function screenLines(picture: Picture, { isColoured, columns }: ScreenStyle): string[] {
  const bold = (text: string): string => (isColoured ? `\u001b[1m${text}\u001b[22m` : text);
  const alert = (text: string): string => (isColoured ? `\u001b[31m${text}\u001b[39m` : text);
  const cut = (text: string): string => text.slice(0, columns).trimEnd();
  const lines = absences(picture).map(cut);
  for (const driver of picture.drivers) {
    const { told, resentPerSecond } = driver;
    const state = told.endpoint_state;
    const title = `oxmem-bdev ${told.pid}  ${told.endpoint} via ${told.netdev}`;
    const room = Math.max(0, columns - state.length - 2);
    const shownState = state === 'serving' ? cut(state) : alert(cut(state));
    lines.push(
      room === 0 ? shownState : `${bold(title.slice(0, room))}  ${shownState}`,
      cut(linkLine(driver)),
    );
    if (driver.isOfLife) {
      lines.push('');
      continue;
    }
    if (resentPerSecond > 0)
      lines.push(alert(cut(`  ${formatCount(resentPerSecond)} frames/s are sent again`)));
    lines.push(cut(HEADER));
    const shown = driver.devices.length === 1 ? driver.devices : [...driver.devices, driver.total];
    for (const device of shown) {
      lines.push(...deviceLines(device, columns));
      if (device.failedPerSecond > 0) {
        lines.push(
          alert(cut(`  ${formatCount(device.failedPerSecond)} requests/s of ${device.name} fail`)),
        );
      }
    }
    lines.push('');
  }
  return lines;
}

/** One line for each device and each driver, for logs and pipes: names and values with units. */
export function plainLines(picture: Picture): string[] {
  const ofPeriods = picture.drivers.filter(({ isOfLife }) => !isOfLife);
  return [...absences(picture), ...ofPeriods.flatMap(driverWords)];
}

function driverWords(driver: DriverRates): string[] {
  const { told, resentPerSecond } = driver;
  const { link } = told;
  const about = [
    `pid=${told.pid}`,
    `endpoint=${told.endpoint}`,
    `state=${told.endpoint_state}`,
    `window=${link.window_frames}frames`,
    `outstanding=${link.outstanding_frames}frames`,
    `credits=${formatCount(link.credit_flits['a'] ?? 0)}flits`,
    `round_trip=${formatMicros(link.round_trip_us)}`,
    `resent=${formatCount(resentPerSecond)}/s`,
  ];
  const devices = driver.devices.map((device) =>
    [
      `pid=${told.pid}`,
      `device=${device.name}`,
      ...transferWords('read', device.read),
      ...transferWords('write', device.write),
      `in_flight=${device.inFlight}`,
      `failed=${formatCount(device.failedPerSecond)}/s`,
    ].join(' '),
  );
  return [about.join(' '), ...devices];
}

/** Who is not there. */
function absences({ drivers, silent }: Picture): string[] {
  if (drivers.length + silent.length === 0) return [NOBODY];
  return silent.map((claim) => `The driver of ${claim} does not answer.`);
}

function transferWords(
  name: string,
  { bytesPerSecond, requestsPerSecond, latencyMicros }: TransferRates,
): string[] {
  const words = [
    `${name}=${formatRate(bytesPerSecond)}`,
    `${name}_requests=${formatCount(requestsPerSecond)}/s`,
  ];
  if (latencyMicros === undefined) return words;
  return [
    ...words,
    `${name}_p50=${formatMicros(latencyMicros.p50)}`,
    `${name}_p99=${formatMicros(latencyMicros.p99)}`,
  ];
}

function linkLine({ told }: DriverRates): string {
  const { link, accesses } = told;
  return [
    `  window ${link.outstanding_frames}/${link.window_frames} frames`,
    `accesses ${accesses.in_flight}/${accesses.window}`,
    `credits ${formatCount(link.credit_flits['a'] ?? 0)} flits`,
    `round trip ${formatMicros(link.round_trip_us)}`,
    `resent ${formatCount(link.counters['frames_resent'] ?? 0)} frames`,
    told.place ?? formatSize(told.devices.reduce((sum, { size_bytes }) => sum + size_bytes, 0)),
  ].join(', ');
}

/** Its past stands beside its numbers, or below them where there is no room. */
function deviceLines(device: DeviceRates, columns: number): string[] {
  const { past } = device;
  const line = deviceLine(device);
  const beside = columns - line.length;
  if (beside >= FEWEST_BESIDE) {
    return [(line + sparkline(past, Math.min(PERIODS_KEPT, beside))).trimEnd()];
  }
  const below = Math.min(PERIODS_KEPT, columns - INDENT.length);
  return [line, INDENT + sparkline(past, below)].map((it) => it.slice(0, columns).trimEnd());
}

function deviceLine({ name, read, write, inFlight }: DeviceRates): string {
  const cells = [
    formatRate(read.bytesPerSecond),
    formatCount(read.requestsPerSecond),
    latencyCell(read),
    formatRate(write.bytesPerSecond),
    formatCount(write.requestsPerSecond),
    latencyCell(write),
    String(inFlight),
  ];
  return `  ${name.padEnd(NAME_COLUMNS)}${cells.map((cell, i) => cell.padStart(WIDTHS[i] ?? 0)).join('')}  `;
}

function latencyCell({ latencyMicros }: TransferRates): string {
  if (latencyMicros === undefined) return '-';
  return `${formatMicros(latencyMicros.p50)}/${formatMicros(latencyMicros.p99)}`;
}

const NAME_COLUMNS = 11;
const WIDTHS = [9, 6, 15, 10, 6, 15, 4] as const;
const HEADER =
  `  ${'DEVICE'.padEnd(NAME_COLUMNS)}` +
  ['READ', 'IOPS', 'p50/p99', 'WRITE', 'IOPS', 'p50/p99', 'NOW']
    .map((title, i) => title.padStart(WIDTHS[i] ?? 0))
    .join('');
const INDENT = ' '.repeat(2 + NAME_COLUMNS);
const FEWEST_BESIDE = 20;
const NOBODY = 'No oxmem-bdev runs in this network namespace.';
