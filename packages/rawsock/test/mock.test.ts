import { describe, expect, test } from 'vitest';
import { RawSocket, RawSocketError } from '../src/index.ts';
import { MockNetwork } from '../src/mock/index.ts';
import { bindingContract } from './binding-contract.ts';
import { ETHER_TYPE, Inbox, numberedFrame, slabOf } from './frame-exchange.ts';
import { makeMockRig } from './mock-rig.ts';

bindingContract('mock', makeMockRig);

describe('MockNetwork', () => {
  test('refuses sockets without permission', () => {
    const network = new MockNetwork();
    network.addInterface({ name: 'mock0' });
    network.isPermitted = false;
    const options = { interfaceName: 'mock0', etherType: ETHER_TYPE };
    let error: unknown;
    try {
      RawSocket.open(options, network.binding);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RawSocketError);
    expect(error).toMatchObject({ code: 'ERR_RAWSOCK_PERMISSION', syscall: 'socket', errno: 1 });
    expect((error as Error).message).toContain('CAP_NET_RAW');
  });

  test('has interfaces that carry no Ethernet, on which no socket opens', () => {
    const network = new MockNetwork();
    network.addInterface({ name: 'tun0', isEthernet: false });
    const options = { interfaceName: 'tun0', etherType: ETHER_TYPE };
    expect(() => RawSocket.open(options, network.binding)).toThrow(/does not carry Ethernet/);
  });

  test('hands injected frames to the interface, as from the wire', async () => {
    const network = new MockNetwork();
    const mock0 = network.addInterface({ name: 'mock0' });
    const options = { interfaceName: 'mock0', etherType: ETHER_TYPE };
    const inbox = Inbox.start(RawSocket.open(options, network.binding));
    const from = Uint8Array.of(2, 9, 9, 9, 9, 9);
    const frame = numberedFrame({ to: mock0.mac, from }, 1, 64);
    mock0.inject(new Uint8Array(5));
    mock0.inject(frame);
    expect(await inbox.received(1)).toEqual([frame]);
  });

  test('keeps segments apart and floods within one', () => {
    const queue: (() => void)[] = [];
    const network = new MockNetwork({ schedule: (run) => void queue.push(run) });
    const inboxes = ['a', 'a', 'a', 'b'].map((segment, i) => {
      network.addInterface({ name: `mock${i}`, segment });
      const options = { interfaceName: `mock${i}`, etherType: ETHER_TYPE };
      return Inbox.start(RawSocket.open(options, network.binding));
    });
    const [first, second] = inboxes as [Inbox, Inbox];
    const route = { to: second.socket.ownMac, from: first.socket.ownMac };
    const slab = slabOf([numberedFrame(route, 1, 64)]);
    first.socket.sendBatch(slab, slab.descriptors, 0, 1);
    expect(inboxes.map((inbox) => inbox.frames.length)).toEqual([0, 0, 0, 0]);
    while (queue.length > 0) queue.shift()?.();
    const lengths = inboxes.map((inbox) => inbox.frames.map((frame) => frame.length));
    expect(lengths).toEqual([[], [78], [14], []]);
  });

  test('sends frames on the loopback interface back to it', async () => {
    const network = new MockNetwork();
    network.addInterface({ name: 'lo', isLoopback: true });
    const options = { interfaceName: 'lo', etherType: ETHER_TYPE };
    const inbox = Inbox.start(RawSocket.open(options, network.binding));
    const zeros = new Uint8Array(6);
    const slab = slabOf([numberedFrame({ to: zeros, from: zeros }, 1, 64)]);
    inbox.socket.sendBatch(slab, slab.descriptors, 0, 1);
    expect(await inbox.received(1)).toHaveLength(1);
  });

  test('checks its options before it asks the kernel', () => {
    const network = new MockNetwork();
    network.addInterface({ name: 'mock0' });
    const wrong = [
      { etherType: 0x05ff },
      { etherType: 0x10000 },
      { receiveSlots: 0 },
      { receiveSlots: 1025 },
      { busyPollMicros: -1 },
      { busyPollMicros: Number.NaN },
      { receiveBufferBytes: 2 ** 31 },
      { peerMac: new Uint8Array(5) },
    ];
    for (const options of wrong) {
      const all = { interfaceName: 'mock0', etherType: ETHER_TYPE, ...options };
      expect(() => RawSocket.open(all, network.binding)).toThrow(RangeError);
    }
  });

  test('can be started once', () => {
    const network = new MockNetwork();
    network.addInterface({ name: 'mock0' });
    const options = { interfaceName: 'mock0', etherType: ETHER_TYPE };
    const inbox = Inbox.start(RawSocket.open(options, network.binding));
    expect(() => inbox.socket.start(inbox)).toThrow(/started before/);
  });
});
