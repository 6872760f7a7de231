import { connect, type NetConnectOpts, type Socket } from 'node:net';

import { NbdTestClient } from '@oxmem/nbd-protocol/testing';

/** An NBD client on a real socket. It can stop reading, and it notes when the server hangs up. */
export class SocketClient {
  readonly nbd: NbdTestClient = new NbdTestClient();
  readonly socket: Socket;
  isEnded = false;
  isConnected = false;

  constructor(where: NetConnectOpts) {
    this.socket = connect({ ...where, allowHalfOpen: false });
    this.socket.on('connect', () => (this.isConnected = true));
    this.socket.on('data', (chunk) => this.nbd.receive(chunk));
    this.socket.on('end', () => (this.isEnded = true));
    this.socket.on('error', () => (this.isEnded = true));
    this.socket.on('close', () => (this.isEnded = true));
  }

  /** Sends what the NBD client has to say. */
  send(): void {
    this.socket.write(this.nbd.takeOutgoing());
  }

  /** Handshake with the default export. */
  enter(structured = false): void {
    this.nbd.sendHandshake('', structured);
    this.send();
  }
}
