import { NbdConnection, NbdExport, createOutputWindows } from '@oxmem/nbd-protocol';
import type { CloseReason, ConnectionHost } from '@oxmem/nbd-protocol';
import { MemoryBlockBackend } from '@oxmem/nbd-protocol/testing';
import type { KernelStream, NbdDevice } from '../src/index.ts';

const WINDOWS = 64;

/** Memory behind kernel streams: what a program does with this package, in its shortest form. */
export class MemoryServer {
  readonly backend: MemoryBlockBackend;
  readonly export: NbdExport;
  readonly connections: ServedStream[] = [];
  /** Told of NBD_CMD_DISC. */
  device: NbdDevice | undefined = undefined;

  constructor(sizeBytes: number, readOnly = false) {
    this.backend = new MemoryBlockBackend({ sizeBytes, readOnly });
    this.export = new NbdExport({ name: '', backend: this.backend });
  }

  get flags(): number {
    return this.export.flags;
  }

  readonly onStream = (stream: KernelStream): void => {
    this.connections.push(new ServedStream(stream, this));
  };
}

/** One stream and the NBD session on it. */
export class ServedStream implements ConnectionHost {
  readonly stream: KernelStream;
  readonly nbd: NbdConnection;
  readonly ends: number[] = [];
  closeReason: CloseReason | undefined = undefined;
  /** Leaves replies unsent while it is set. */
  isMute = false;
  readonly #server: MemoryServer;
  readonly #windows = createOutputWindows(WINDOWS);
  #isTurnDue = false;
  #isInputWanted = false;

  constructor(stream: KernelStream, server: MemoryServer) {
    this.stream = stream;
    this.#server = server;
    this.nbd = new NbdConnection({ fixedExport: server.export }, this);
    stream.start({
      onReceive: (bytes, offset, length) => this.nbd.receive(bytes, offset, length),
      onWritable: () => this.#write(),
      onEnd: (errno) => {
        this.ends.push(errno);
        this.nbd.endInput();
      },
    });
  }

  onOutput(): void {
    this.#schedule();
  }

  onInputWanted(): void {
    this.#isInputWanted = true;
    this.#schedule();
  }

  onDisconnect(): void {
    this.#server.device?.noteDisconnect();
  }

  onClose(reason: CloseReason): void {
    this.closeReason = reason;
    this.stream.close();
  }

  onReleased(): void {}

  #schedule(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    process.nextTick(() => {
      this.#isTurnDue = false;
      if (this.#isInputWanted) {
        this.#isInputWanted = false;
        this.stream.resume();
      }
      this.#write();
    });
  }

  #write(): void {
    while (!this.isMute) {
      const count = this.nbd.gatherOutput(this.#windows, WINDOWS);
      if (count === 0) return;
      const taken = this.stream.send(this.#windows, count);
      if (taken === 0) return;
      this.nbd.outputWritten(taken);
    }
  }
}
