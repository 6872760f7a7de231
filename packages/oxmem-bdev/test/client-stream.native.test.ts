import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, expect, it } from 'vitest';

import { NativeClientStream } from '../src/server/native-client-stream.ts';
import { openClientStream } from '../src/server/open-client-stream.ts';

const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanup.splice(0).toReversed()) undo();
});

it('a client of a unix socket is served by system calls of our own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'oxmem-stream-'));
  cleanup.push(() => rmSync(folder, { recursive: true }));
  const server = createServer({ pauseOnConnect: true }).listen(join(folder, 's'));
  cleanup.push(() => server.close());
  await once(server, 'listening');
  const accepting = once(server, 'connection');
  const client = connect(join(folder, 's'));
  cleanup.push(() => client.destroy());
  const stream = openClientStream(((await accepting) as [Socket])[0]);
  cleanup.push(() => stream.close(false));
  // Node may hide the descriptor one day: then everything works, and costs three times as much.
  expect(stream).toBeInstanceOf(NativeClientStream);
});
