import {
  deviceFacts,
  deviceIndexes,
  isAttached,
  isModuleLoaded,
  type AttachWay,
  type DeviceFacts,
  type FileReader,
  type Mount,
  type Opener,
} from '@oxmem/nbd-kernel';

import type { DeviceRecord, RecordFile } from '../../kernel/device-record.ts';
import type { DriverTold } from '../../observe/driver-told.ts';
import { serverOf, type DeviceServer } from '../../kernel/device-server.ts';

/** What `oxmem-bdev status --json` prints. Programs rely on the names. */
export interface StatusReport {
  /** The kernel has the nbd driver. */
  readonly moduleLoaded: boolean;
  /** Devices that are attached, in order. */
  readonly devices: readonly DeviceStatus[];
  /** How many are not. */
  readonly free: number;
  /** Exports of drivers in this network namespace. */
  readonly exports: readonly ExportStatus[];
}

/** One driver that serves its memory on a socket. */
export interface ExportStatus {
  /** `unix:PATH`, `tcp:HOST:PORT` */
  readonly place: string;
  /** Names of its exports, the first of which is the default one. */
  readonly names: readonly string[];
  /** Of all of them together. */
  readonly sizeBytes: number;
  readonly pid: number;
  readonly endpoint: string;
  /** First remote address, hexadecimal. */
  readonly base: string | null;
  readonly netdev: string;
  /** Of the endpoint, as the driver names it. */
  readonly state: string;
}

/** One attached device. What is not known is null. */
export interface DeviceStatus {
  /** "/dev/nbd0" */
  readonly device: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly server: ServerStatus;
  /** MAC address of the endpoint. */
  readonly endpoint: string | null;
  /** First remote address, hexadecimal. */
  readonly base: string | null;
  readonly netdev: string | null;
  readonly way: AttachWay | null;
  readonly blockBytes: number | null;
  /** Names: "nbd0p1". */
  readonly partitions: readonly string[];
  readonly mounts: readonly Mount[];
  /** Paths in use as swap space. */
  readonly swaps: readonly string[];
  /** Names of block devices on top of it: "dm-0". */
  readonly holders: readonly string[];
  /** Processes that have it open, its server not counted. */
  readonly openers: readonly Opener[];
}

/** Who answers its requests. */
export interface ServerStatus {
  /** `oxmem-bdev`, `program` for any other, or `none`: its oxmem-bdev has died. */
  readonly kind: 'oxmem-bdev' | 'program' | 'none';
  /** With `none`, of the process that was its server. */
  readonly pid: number | null;
  readonly command: string | null;
  /** Nobody serves it, and a successor may take it over (`--takeover`). */
  readonly waitsForSuccessor: boolean;
}

/** Looks at all NBD devices of the machine. */
export function statusReport(
  files: FileReader,
  recordFiles: readonly RecordFile[],
  drivers: readonly DriverTold[],
): StatusReport {
  const indexes = deviceIndexes(files);
  const attached = indexes.filter((index) => isAttached(index, files));
  return {
    moduleLoaded: isModuleLoaded(files),
    devices: attached.map((index) => {
      const facts = deviceFacts(index, files);
      const found = recordFiles.find(({ record }) => record?.device === facts.path);
      return deviceStatus(facts, serverOf(facts, found?.record, files));
    }),
    free: indexes.length - attached.length,
    exports: drivers.flatMap(exportStatus),
  };
}

function exportStatus(told: DriverTold): ExportStatus[] {
  const { place, devices, pid, endpoint, netdev, endpoint_state: state } = told;
  if (place === null) return [];
  const names = devices.map(({ name }) => name);
  const sizeBytes = devices.reduce((sum, { size_bytes }) => sum + size_bytes, 0);
  const base = devices[0]?.base ?? null;
  return [{ place, names, sizeBytes, pid, endpoint, base, netdev, state }];
}

function deviceStatus(facts: DeviceFacts, server: DeviceServer): DeviceStatus {
  const record: DeviceRecord | undefined = server.kind === 'program' ? undefined : server.record;
  return {
    device: facts.path,
    sizeBytes: facts.sizeBytes,
    readOnly: facts.isReadOnly,
    server: serverStatus(server),
    endpoint: record?.mac ?? null,
    base: record?.base ?? null,
    netdev: record?.netdev ?? null,
    // The kernel shows an identifier only of what came by netlink.
    way: record?.way ?? (facts.backendIdentifier === undefined ? null : 'netlink'),
    blockBytes: record?.blockBytes ?? null,
    partitions: facts.partitions,
    mounts: facts.mounts,
    swaps: facts.swaps,
    holders: facts.holders,
    openers: facts.openers.filter(({ pid }) => server.kind === 'nobody' || pid !== server.pid),
  };
}

function serverStatus(server: DeviceServer): ServerStatus {
  switch (server.kind) {
    case 'driver':
      return {
        kind: 'oxmem-bdev',
        pid: server.pid,
        command: 'oxmem-bdev',
        waitsForSuccessor: false,
      };
    case 'nobody':
      return {
        kind: 'none',
        pid: server.pid ?? null,
        command: null,
        waitsForSuccessor: server.isWaiting,
      };
    case 'program':
      return {
        kind: 'program',
        pid: server.pid ?? null,
        command: server.command ?? null,
        waitsForSuccessor: false,
      };
  }
}
