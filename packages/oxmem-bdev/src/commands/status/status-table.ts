import { formatSize } from '@oxmem/tloe-protocol/text';

import type { DeviceStatus, StatusReport } from './device-status.ts';

/** The report for people: a table, and what there is besides; lines without their ends. */
export function statusLines(report: StatusReport): string[] {
  return [...exportLines(report), ...deviceLines(report)];
}

function exportLines({ exports }: StatusReport): string[] {
  if (exports.length === 0) return [];
  const rows = exports.map((it) => [
    it.place,
    formatSize(it.sizeBytes),
    `oxmem-bdev (${it.pid})`,
    it.endpoint,
    it.base ?? NOTHING,
    it.netdev,
    it.state,
  ]);
  return [...tableLines([EXPORT_HEADER, ...rows]), ''];
}

function deviceLines({ moduleLoaded, devices, free }: StatusReport): string[] {
  if (!moduleLoaded) {
    return ["The kernel's nbd module is not loaded: load it with `sudo modprobe nbd max_part=8`."];
  }
  if (devices.length === 0) return [`No NBD device is attached; ${count(free)} free.`];
  return [...tableLines([HEADER, ...devices.map(row)]), `${count(free)} free.`];
}

/** Lines of cells that stand below each other, two spaces apart. */
function tableLines(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  return rows.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function row(status: DeviceStatus): string[] {
  return [
    status.device,
    formatSize(status.sizeBytes),
    status.readOnly ? 'ro' : 'rw',
    describeServer(status),
    status.endpoint ?? NOTHING,
    status.base ?? NOTHING,
    status.netdev ?? NOTHING,
    status.way ?? NOTHING,
    status.partitions.length === 0 ? NOTHING : String(status.partitions.length),
    describeUsers(status),
  ];
}

function describeServer({ server }: DeviceStatus): string {
  const { kind, pid, command, waitsForSuccessor } = server;
  if (kind === 'none') return waitsForSuccessor ? 'nobody (waits for a successor)' : 'nobody';
  return `${command ?? 'a program that has ended'}${pid === null ? '' : ` (${pid})`}`;
}

function describeUsers({ mounts, swaps, holders, openers }: DeviceStatus): string {
  const users = [
    ...mounts.map(({ target }) => target),
    ...swaps.map((path) => `swap on ${path}`),
    ...holders,
    ...openers.map(({ command, pid }) => `${command} (${pid})`),
  ];
  return users.length === 0 ? NOTHING : users.join(', ');
}

function count(free: number): string {
  return free === 1 ? '1 device is' : `${free} devices are`;
}

const HEADER = [
  'DEVICE',
  'SIZE',
  'MODE',
  'SERVED BY',
  'ENDPOINT',
  'BASE',
  'NETDEV',
  'WAY',
  'PARTS',
  'USED BY',
] as const;
const EXPORT_HEADER = ['EXPORT', 'SIZE', 'SERVED BY', 'ENDPOINT', 'BASE', 'NETDEV', 'STATE'];
const NOTHING = '-';
