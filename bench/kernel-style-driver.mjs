/**
 * The driver with devices of a kernel that is not there: everything of `oxmem-bdev` is real, but the
 * calls to the kernel's NBD driver. The kernel's end of each device's socket goes to whoever fetches
 * it by pidfd_getfd: for each device it prints `socket FD SIZE`, and a line of standard input says
 * that all were fetched. Takes the options of `oxmem-bdev`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { thisMachine } from '@oxmem/nbd-kernel';
import { MockKernel } from '@oxmem/nbd-kernel/mock';
import { SystemClock } from '@oxmem/tloe-protocol/node';

const dist = join(
  dirname(createRequire(import.meta.url).resolve('oxmem-bdev/package.json')),
  'dist',
);
const [{ readCommandLine }, { createLogger }, { LeftoverFiles }, { runDriver }, { StopRequest }] =
  await Promise.all(
    [
      'cli/program.js',
      'observe/logger.js',
      'runtime/leftover-files.js',
      'runtime/run-driver.js',
      'runtime/stop-request.js',
    ].map((file) => import(join(dist, file))),
  );

/** Closes our references to the kernel's ends. @type {(() => void)[]} */
const closeEnds = [];
process.stdin.once('data', () => {
  for (const close of closeEnds) close();
});

/** A kernel whose devices are read and written by whoever has their sockets. */
function kernelForOthers() {
  const kernel = new MockKernel({ devices: 64 });
  const { binding } = thisMachine();
  /** @type {import('@oxmem/nbd-kernel').NativeBinding} */
  const ours = {
    ...kernel.binding,
    createStream: (options) => {
      const stream = binding.createStream(options);
      const close = stream.closeKernelEnd.bind(stream);
      closeEnds.push(close);
      return Object.defineProperty(stream, 'closeKernelEnd', { value: () => undefined });
    },
    netlinkConnect: async ({ index = 0, sizeBytes = 0, sockets = [], ...rest }) => {
      process.stdout.write(`socket ${sockets[0]} ${sizeBytes}\n`);
      const device = kernel.device(index);
      device.way = 'netlink';
      device.pid = process.pid;
      device.config = {
        sizeBytes,
        blockBytes: rest.blockBytes ?? 4096,
        flags: rest.flags ?? 0,
        timeoutSeconds: 0,
        deadConnectionSeconds: 0,
        backendIdentifier: rest.backendIdentifier,
      };
      return index;
    },
    netlinkDisconnect: async (index) => {
      kernel.device(index).pid = undefined;
    },
    scanNode: async () => undefined,
    flushNode: async () => undefined,
  };
  return { ...kernel.machine, binding: ours };
}

const { options } = readCommandLine(['--device=/dev/nbd0', ...process.argv.slice(2)]);
const clock = new SystemClock();
const stop = new StopRequest();
const runFolder = mkdtempSync(join(tmpdir(), 'oxmem-kernel-style-'));
process.on('SIGTERM', () => stop.request());
try {
  await runDriver(
    options,
    {
      clock,
      originUnixMicros: clock.originUnixMicros,
      unixMicros: () => clock.unixMicros(),
      logger: createLogger(options.logLevel, options.logFormat),
      print: (/** @type {string} */ line) => process.stdout.write(`${line}\n`),
      environment: {},
      leftovers: new LeftoverFiles(),
      machine: kernelForOthers(),
      runFolder,
      askToHandOver: () => false,
    },
    stop,
  );
} finally {
  rmSync(runFolder, { recursive: true, force: true });
}
process.exit(0);
