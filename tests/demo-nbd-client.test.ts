import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DemoNbdClient } from '../scripts/demo-nbd-client.mjs';

describe('the NBD client of the demo', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'oxmem-demo-client-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('fails a read whose server dies in the middle of the data', async () => {
    const path = join(folder, 'nbd.sock');
    const server = createServer(dieInTheMiddle);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const client = await DemoNbdClient.connect(path);
    const reading = client.read(0, Buffer.alloc(4096));
    await expect(reading).rejects.toThrow('the server closed the connection');
    server.close();
  });
});

/** A server that agrees to everything, answers the first read by half, and is gone. */
function dieInTheMiddle(socket: Socket): void {
  socket.write(Buffer.from('NBDMAGICIHAVEOPT\0\x03', 'latin1'));
  let hasAgreed = false;
  socket.on('data', (bytes: Buffer) => {
    if (!hasAgreed) socket.write(optionReply(OPTION_REPLY_ACK));
    else socket.write(Buffer.concat([replyTo(bytes), Buffer.alloc(2048)]), () => socket.destroy());
    hasAgreed = true;
  });
}

function optionReply(type: number): Buffer {
  const reply = Buffer.alloc(20);
  reply.writeBigUInt64BE(0x3e889045565a9n, 0);
  reply.writeUInt32BE(OPTION_GO, 8);
  reply.writeUInt32BE(type, 12);
  return reply;
}

function replyTo(request: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32BE(0x67446698, 0);
  request.copy(header, 8, 8, 16);
  return header;
}

const OPTION_GO = 7;
const OPTION_REPLY_ACK = 1;
