import { constants } from 'node:os';
import type { NativeBinding } from '../native-binding.ts';
import { MockInterface } from './mock-interface.ts';
import type { MockInterfaceOptions } from './mock-interface.ts';
import { MockSocket } from './mock-socket.ts';
import { nativeError } from './native-error.ts';

/** How a MockNetwork behaves. */
export interface MockNetworkOptions {
  /**
   * Runs something soon, never at once: what the event loop is to the real sockets. Default
   * setImmediate; a simulation passes its own, to decide the order itself.
   */
  readonly schedule?: (run: () => void) => void;
}

/**
 * A virtual switch that floods, and the interfaces on it. `binding` makes sockets on them:
 *
 *     const network = new MockNetwork();
 *     network.addInterface({ name: 'mock0' });
 *     const socket = RawSocket.open({ interfaceName: 'mock0', etherType: 0xaaaa }, network.binding);
 *
 * It behaves like the kernel where a user of RawSocket can tell the difference: filters, batches,
 * partial sends, lost carriers, removed interfaces, full receive buffers.
 */
export class MockNetwork {
  /** Pass it to RawSocket.open, interfaceInfo and listInterfaces. */
  readonly binding: NativeBinding;
  /** False: opening a socket fails with EPERM. */
  isPermitted = true;

  readonly schedule: (run: () => void) => void;
  readonly #interfaces = new Map<string, MockInterface>();
  #nextIndex = 1;

  constructor(options: MockNetworkOptions = {}) {
    this.schedule = options.schedule ?? setImmediate;
    this.binding = {
      interfaceInfo: (name) => this.#interfaces.get(name)?.info(),
      listInterfaces: () => [...this.#interfaces.keys()],
      openSocket: (socketOptions) => {
        if (!this.isPermitted) throw nativeError('socket', constants.errno.EPERM);
        for (const candidate of this.#interfaces.values()) {
          if (candidate.index !== socketOptions.interfaceIndex) continue;
          return new MockSocket(socketOptions, candidate, this.schedule);
        }
        throw nativeError('bind', constants.errno.ENODEV);
      },
    };
  }

  /** Plugs in an interface that is up and has a carrier. */
  addInterface(options: MockInterfaceOptions): MockInterface {
    if (this.#interfaces.has(options.name)) throw new Error(`${options.name} exists already`);
    const index = this.#nextIndex++;
    const added = new MockInterface(options, index, (frame) => this.#flood(added, frame));
    this.#interfaces.set(options.name, added);
    return added;
  }

  /** Removes an interface for good; its sockets fail. */
  removeInterface(name: string): void {
    const removed = this.#interfaces.get(name);
    if (removed === undefined) throw new Error(`there is no interface ${name}`);
    this.#interfaces.delete(name);
    removed.remove();
  }

  #flood(sender: MockInterface, frame: Uint8Array): void {
    if (sender.isLoopback) return sender.receive(frame);
    for (const other of this.#interfaces.values()) {
      if (other !== sender && other.segment === sender.segment) other.receive(frame);
    }
  }
}
