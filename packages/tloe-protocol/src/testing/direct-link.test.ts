import { describe, expect, it } from 'vitest';

import { ByteRegion } from '../byte-region.ts';
import { createDirectLink } from './direct-link.ts';
import { describeTransportContract, type TransportPair } from './transport-contract.ts';

/** A scheduler that runs tasks when told. */
class Tasks {
  readonly #waiting: (() => void)[] = [];
  readonly schedule = (task: () => void): void => void this.#waiting.push(task);

  get count(): number {
    return this.#waiting.length;
  }
  /** Runs the next task. @returns whether there was one */
  step(): boolean {
    const task = this.#waiting.shift();
    task?.();
    return task !== undefined;
  }
}

function makePair(queueFrames: number): Promise<TransportPair> {
  const tasks = new Tasks();
  const { a, b } = createDirectLink({ schedule: tasks.schedule, queueFrames });
  return Promise.resolve({
    a,
    b,
    until: (isReached) => {
      while (!isReached()) expect(tasks.step()).toBe(true);
      return Promise.resolve();
    },
    quiet: () => {
      while (tasks.step());
      return Promise.resolve();
    },
    dispose: () => Promise.resolve(),
  });
}

describeTransportContract('a direct link', () => makePair(256), {
  makeNarrowPair: () => makePair(100),
});

/** A link whose `b` counts, and `a` sends frames of 60 bytes. */
function rig(queueFrames: number) {
  const tasks = new Tasks();
  const link = createDirectLink({ schedule: tasks.schedule, queueFrames });
  const region = ByteRegion.allocate(64);
  const descriptors = Int32Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 2 : 60));
  const calls: string[] = [];
  link.a.start({
    onReceiveBatch: (count) => calls.push(`a got ${count}`),
    onWritable: () => calls.push('a writable'),
    onFailure: () => {},
  });
  const startB = (): void =>
    link.b.start({
      onReceiveBatch: (count) => calls.push(`b got ${count}`),
      onWritable: () => calls.push('b writable'),
      onFailure: () => {},
    });
  const send = (count: number): number => link.a.sendBatch(region, descriptors, 0, count);
  return { ...link, tasks, calls, startB, send };
}

describe('a direct link', () => {
  it('delivers in batches of up to 64, one task at a time', () => {
    const { tasks, calls, startB, send } = rig(256);
    startB();
    expect([send(70), send(30), tasks.count]).toEqual([70, 30, 1]);
    while (tasks.step());
    expect(calls).toEqual(['b got 64', 'b got 36']);
  });

  it('takes what there is room for, and says so when a batch has been handed up', () => {
    const { tasks, calls, startB, send } = rig(10);
    startB();
    expect([send(15), send(1)]).toEqual([10, 0]);
    while (tasks.step());
    expect(calls).toEqual(['b got 10', 'a writable']);
    expect(send(3)).toBe(3);
  });

  it('loses what is sent to an end that nobody has started', () => {
    const { tasks, calls, startB, send } = rig(10);
    expect(send(50)).toBe(50);
    startB();
    while (tasks.step());
    expect(calls).toEqual([]);
  });

  it('lets a waiting sender go on when the other end closes', () => {
    const { tasks, calls, startB, send, b } = rig(10);
    startB();
    send(15);
    b.close();
    while (tasks.step());
    expect(calls).toEqual(['a writable']);
    expect(send(15)).toBe(15);
  });

  it('does not touch the frames of a batch while they are looked at', () => {
    const tasks = new Tasks();
    const { a, b } = createDirectLink({ schedule: tasks.schedule, queueFrames: 4 });
    const region = ByteRegion.allocate(64);
    const seen: number[] = [];
    b.start({
      onReceiveBatch: (count) => {
        region.bytes.fill(0xff);
        expect(a.sendBatch(region, Int32Array.of(2, 60), 0, 1)).toBe(count === 4 ? 0 : 1);
        for (let i = 0; i < count; i++) {
          seen.push(b.receiveRegion.bytes[b.receiveDescriptors[2 * i] as number] as number);
        }
      },
      onWritable: () => {},
      onFailure: () => {},
    });
    for (let mark = 1; mark <= 4; mark++) {
      region.bytes.fill(mark);
      a.sendBatch(region, Int32Array.of(2, 60), 0, 1);
    }
    tasks.step();
    expect(seen).toEqual([1, 2, 3, 4]);
  });
});
