import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { LatencyHistogram } from '../latency-histogram.ts';
import { LinkStats } from '../link/link-stats.ts';
import { VirtualClock } from '../testing/virtual-clock.ts';
import { SECOND } from '../units.ts';
import {
  ANY,
  LINK_METRICS,
  StatsFile,
  metricText,
  reportCounters,
  type Metric,
} from './observe.ts';

/** Those that Node has for files. */
const THREADS = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);

it('has a metric for every counter of a link', () => {
  const counters = reportCounters(new LinkStats());
  expect(counters).toHaveProperty('frames_resent', 0);
  const names = LINK_METRICS.map(({ name }) => name);
  for (const name of Object.keys(counters)) expect(names).toContain(`oxmem_link_${name}_total`);
  expect(names).toHaveLength(Object.keys(counters).length + 1);
});

describe('the text for Prometheus', () => {
  it('has help, type, labels and values of each metric', () => {
    const metrics: Metric<number>[] = [
      { name: 'a_total', kind: 'counter', help: 'One', read: (value) => [{ value }] },
      {
        name: 'b',
        kind: 'gauge',
        help: 'Two',
        labels: { x: ANY },
        read: (value) => [{ labels: { x: 'a "b"\\\n' }, value: value / 2 }],
      },
    ];
    expect(metricText(metrics, 3)).toBe(
      '# HELP a_total One\n# TYPE a_total counter\na_total 3\n' +
        '# HELP b Two\n# TYPE b gauge\nb{x="a \\"b\\"\\\\\\n"} 1.5\n',
    );
  });

  it('has cumulative buckets of a histogram, in seconds', () => {
    const histogram = new LatencyHistogram();
    for (const micros of [10, 20, 100, 100_000_000]) histogram.record(micros);
    const metric: Metric<undefined> = {
      name: 'h_seconds',
      kind: 'histogram',
      help: 'Times',
      read: () => [{ labels: { op: 'read' }, value: histogram }],
    };
    const text = metricText([metric], undefined);
    expect(text).toContain('h_seconds_bucket{op="read",le="0.000016"} 1\n');
    expect(text).toContain('h_seconds_bucket{op="read",le="0.000024"} 2\n');
    expect(text).toContain('h_seconds_bucket{op="read",le="0.000128"} 3\n');
    expect(text).toContain('h_seconds_bucket{op="read",le="+Inf"} 4\n');
    expect(text).toContain('h_seconds_sum{op="read"} 100.00013\n');
    expect(text).toContain('h_seconds_count{op="read"} 4\n');
    const counts = [...text.matchAll(/_bucket.* (\d+)$/gm)].map(([, count]) => Number(count));
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  });
});

describe('a stats file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'oxmem-stats-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function open(name: string): Rig {
    const path = join(folder, name);
    const clock = new VirtualClock();
    const failures: string[] = [];
    let count = 0;
    const read = (): number => count++;
    const report = (now: number, before: number | undefined): object =>
      before === undefined ? { count: now } : { count: now, since: before };
    const onFailure = ({ message }: Error): void => void failures.push(message);
    const file = new StatsFile({
      path,
      intervalMicros: 2 * SECOND,
      clock,
      read,
      report,
      onFailure,
    });
    return { path, clock, failures, file };
  }

  interface Rig {
    readonly path: string;
    readonly clock: VirtualClock;
    readonly failures: string[];
    readonly file: StatsFile<number>;
  }

  it('is there at once, fresh after each interval, and has the last word when it is closed', async () => {
    const { path, clock, failures, file } = open('x.json');
    const text = (): string => readFileSync(path, 'utf8');
    expect(text()).toBe('{"count":0}\n');
    clock.advanceBy(1.9 * SECOND);
    expect(text()).toBe('{"count":0}\n');
    clock.advanceBy(0.2 * SECOND);
    await vi.waitFor(() => expect(text()).toBe('{"count":1,"since":0}\n'));
    clock.advanceBy(2 * SECOND);
    await file.close();
    expect(text()).toBe('{"count":3,"since":2}\n');
    clock.advanceBy(60 * SECOND);
    expect(readdirSync(folder)).toEqual(['x.json']);
    expect(failures).toEqual([]);
  });

  it('tells once that it cannot be written, and leaves no draft', async () => {
    const { clock, failures, file } = open('x.json');
    rmSync(folder, { recursive: true });
    clock.advanceBy(2 * SECOND);
    await vi.waitFor(() => expect(failures).toEqual([expect.stringMatching(/^ENOENT/)]));
    clock.advanceBy(2 * SECOND);
    folder = mkdtempSync(folder);
    await file.close();
    expect(failures).toHaveLength(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves out of no period what it could not write', async () => {
    const { path, clock, failures, file } = open('x.json');
    rmSync(folder, { recursive: true });
    clock.advanceBy(2 * SECOND);
    await vi.waitFor(() => expect(failures).toHaveLength(1));
    mkdirSync(folder);
    await file.close();
    expect(readFileSync(path, 'utf8')).toBe('{"count":2,"since":0}\n');
  });

  it('is not led astray by links that others put where its draft will be', async () => {
    const victim = join(folder, 'victim');
    const draft = join(folder, `x.json.${process.pid}.tmp`);
    writeFileSync(victim, 'precious');
    symlinkSync(victim, draft);
    const { path, failures, file } = open('x.json');
    symlinkSync(victim, draft);
    await file.close();
    expect([readFileSync(victim, 'utf8'), failures]).toEqual(['precious', []]);
    expect(readFileSync(path, 'utf8')).toBe('{"count":1,"since":0}\n');
    expect(readdirSync(folder)).toEqual(['victim', 'x.json']);
  });

  it('holds nobody up where the disk takes for ever', async () => {
    const { path, clock, failures, file } = open('x.json');
    const text = (): string => readFileSync(path, 'utf8');
    // Whoever opens a pipe for writing waits for a reader: all threads for files are busy with that.
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const stuck = Array.from({ length: THREADS }, () => openFile(pipe, 'w'));
    for (let i = 0; i < 5; i++) clock.advanceBy(2 * SECOND);
    const closed = file.close();
    clock.advanceBy(SECOND);
    await closed;
    expect(failures).toEqual([]);
    expect(text()).toBe('{"count":0}\n');
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    for (const writer of await Promise.all(stuck)) await writer.close();
    closeSync(reader);
    // One write had to wait, not five; and then the last one.
    await vi.waitFor(() => expect(text()).toBe('{"count":2,"since":1}\n'));
    expect(readdirSync(folder)).toEqual(['pipe', 'x.json']);
  });
});
