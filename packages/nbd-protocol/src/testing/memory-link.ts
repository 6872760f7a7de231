import type { CloseReason, ConnectionHost, OutputWindow } from '../session/connection-host.ts';
import { createOutputWindows } from '../session/connection-host.ts';
import { NbdConnection, type NbdConnectionOptions } from '../session/nbd-connection.ts';
import { NbdTestClient } from './nbd-client.ts';

const ENDLESS = Number.MAX_SAFE_INTEGER;

/** How a `MemoryLink` cuts the two byte streams. */
export interface MemoryLinkOptions {
  /** Length of the next stretch given to the server, at least 1. All there is by default. */
  readonly inputCut?: () => number;
  /** Length of the next stretch taken from the server, at least 1. All there is by default. */
  readonly outputCut?: () => number;
  /** Windows asked for at a time, 64 by default. */
  readonly windows?: number;
}

/**
 * A server connection and a test client joined in memory, with back-pressure: the host of the
 * connection in its simplest form. Nothing moves by itself; `run` moves everything that can.
 */
export class MemoryLink implements ConnectionHost {
  readonly client: NbdTestClient = new NbdTestClient();
  readonly connection: NbdConnection;
  /** Whether the client reads. While it does not, replies stay with the server. */
  clientReads = true;
  closeReason: CloseReason | undefined = undefined;
  closeText = '';
  isReleased = false;
  /** Calls of `onOutput` and `onInputWanted`. */
  outputCalls = 0;
  inputWantedCalls = 0;
  disconnectCalls = 0;
  /** Calls of `onStartTls`; the test says when TLS is there. */
  startTlsCalls = 0;
  /** Everything that the server has sent. */
  readonly serverBytes: Uint8Array[] = [];
  private readonly windows: OutputWindow[];
  private readonly inputCut: () => number;
  private readonly outputCut: () => number;
  private pending: Uint8Array = new Uint8Array(0);
  private resumeWanted = false;

  constructor(options: NbdConnectionOptions, link: MemoryLinkOptions = {}) {
    this.inputCut = link.inputCut ?? (() => ENDLESS);
    this.outputCut = link.outputCut ?? (() => ENDLESS);
    this.windows = createOutputWindows(link.windows ?? 64);
    this.connection = new NbdConnection(options, this);
    if (options.fixedExport !== undefined) this.client.skipHandshake();
  }

  onOutput(): void {
    this.outputCalls++;
  }

  onInputWanted(): void {
    this.inputWantedCalls++;
    this.resumeWanted = true;
  }

  onStartTls(): void {
    this.startTlsCalls++;
  }

  onDisconnect(): void {
    if (this.closeReason !== undefined) throw new Error('a connection that is closed says nothing');
    this.disconnectCalls++;
  }

  onClose(reason: CloseReason, text: string): void {
    if (this.closeReason !== undefined) throw new Error('a connection closes once');
    this.closeReason = reason;
    this.closeText = text;
  }

  onReleased(): void {
    if (this.isReleased) throw new Error('a connection is released once');
    if (this.closeReason === undefined) throw new Error('a connection closes before its release');
    this.isReleased = true;
  }

  /** Bytes of the client that the server has not taken. */
  get bytesWaiting(): number {
    return this.pending.length;
  }

  /** Moves bytes in both directions until nothing moves. */
  run(): void {
    let moved = true;
    while (moved) {
      moved = this.moveInput();
      if (this.clientReads && this.moveOutput()) moved = true;
    }
  }

  /** Sends to the server as much as it takes. */
  moveInput(): boolean {
    const fresh = this.client.takeOutgoing();
    if (fresh.length > 0) this.pending = concatenate(this.pending, fresh);
    const resumed = this.resumeWanted;
    if (resumed) {
      this.resumeWanted = false;
      this.connection.receive(this.pending, 0, 0);
    }
    let taken = 0;
    while (taken < this.pending.length && this.connection.wantsInput) {
      const count = Math.min(this.inputCut(), this.pending.length - taken);
      const accepted = this.connection.receive(this.pending, taken, count);
      if (accepted === 0) break;
      taken += accepted;
    }
    if (taken > 0) this.pending = this.pending.slice(taken);
    return resumed || taken > 0;
  }

  /** Takes what the server shows, once. */
  moveOutput(): boolean {
    const count = this.connection.gatherOutput(this.windows, this.windows.length);
    let room = this.outputCut();
    let total = 0;
    for (let i = 0; i < count && room > 0; i++) {
      const { bytes, offset, length } = this.windows[i] as OutputWindow;
      const size = Math.min(length, room);
      const copy = bytes.slice(offset, offset + size);
      this.serverBytes.push(copy);
      this.client.receive(copy);
      room -= size;
      total += size;
    }
    if (total > 0) this.connection.outputWritten(total);
    return total > 0;
  }

  /** Everything that the server has sent, in one piece. */
  allServerBytes(): Uint8Array {
    return concatenate(...this.serverBytes);
  }
}

function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
