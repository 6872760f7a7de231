/** The catalogue of metrics and the dashboard, against the tables of the programs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ANY, type Metric } from '@oxmem/tloe-protocol/observe';
import { expect, it } from 'vitest';
import { DRIVER_METRICS } from '../packages/oxmem-bdev/src/observe/driver-metrics.ts';
import { ENDPOINT_METRICS } from '../packages/sim-endpoint/src/cli/endpoint-metrics.ts';

const docs = join(import.meta.dirname, '..', 'docs');
type Row = Pick<Metric<never>, 'name' | 'help' | 'kind' | 'labels'>;
const tables: readonly { title: string; metrics: readonly Row[] }[] = [
  { title: 'oxmem-bdev', metrics: DRIVER_METRICS },
  { title: 'oxmem-sim-endpoint', metrics: ENDPOINT_METRICS },
];

/** A table as prettier has it. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  const [head = [], ...rest] = rows;
  return [line(head), `| ${widths.map((w) => '-'.repeat(w)).join(' | ')} |`, ...rest.map(line)];
}

function catalogue(): string {
  const lines = [
    '# Metrics',
    '',
    'What `--metrics=HOST:PORT` serves at `/metrics`. Made from the tables of the programs:',
    '`npx vitest run --project unit tests/metrics -u` writes this page anew.',
    '',
    'Counters (`_total`) are of the whole life of a program, whatever becomes of its connections, and',
    'never go back. Times are seconds, sizes bytes. A histogram has `_bucket`, `_sum` and `_count`; its',
    'percentiles are `histogram_quantile(0.99, sum by (le) (rate(NAME_bucket[1m])))`. The',
    '[dashboard](grafana/oxmem.json) for Grafana is imported as a file and asks which Prometheus to use.',
  ];
  for (const { title, metrics } of tables) {
    const rows = metrics.map(({ name, kind, labels = {}, help }) => [
      `\`${name}\``,
      kind,
      Object.keys(labels)
        .map((label) => `\`${label}\``)
        .join(', '),
      help,
    ]);
    lines.push('', `## ${title}`, '', ...table([['metric', 'type', 'labels', 'meaning'], ...rows]));
  }
  return `${lines.join('\n')}\n`;
}

it('docs/metrics.md has every metric as the programs have it', async () => {
  await expect(catalogue()).toMatchFileSnapshot(join(docs, 'metrics.md'));
});

it.each(tables)('$title: names have their unit and are there once', ({ metrics }) => {
  const names = metrics.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, kind, help } of metrics) {
    expect(name).toMatch(/^oxmem_[a-z_]+$/);
    expect(name.endsWith('_total'), name).toBe(kind === 'counter');
    if (kind === 'histogram') expect(name).toMatch(/_seconds$/);
    expect(help).not.toMatch(/\.$/);
  }
});

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; h: number };
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly fieldConfig: { readonly defaults: { readonly unit?: string } };
  readonly targets: readonly { readonly expr: string; readonly refId: string }[];
}
interface Dashboard {
  readonly id: null;
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { name: string; type: string; query: string }[] };
  readonly time: { readonly from: string; readonly to: string };
}

const dashboard = JSON.parse(readFileSync(join(docs, 'grafana/oxmem.json'), 'utf8')) as Dashboard;
const known = new Map(tables.flatMap(({ metrics }) => metrics.map((each) => [each.name, each])));

/** What is wrong with the metrics and labels of an expression. */
function faultsOf(expr: string): string[] {
  const found = [...expr.matchAll(/\b(oxmem_[a-z_]+)(\{[^}]*\})?/g)];
  if (found.length === 0) return [`no metric in ${expr}`];
  return found.flatMap(([, name = '', selector = '']) => {
    const metric = known.get(name) ?? known.get(name.replace(/_(bucket|sum|count)$/, ''));
    if (metric === undefined) return [`there is no ${name}`];
    if (metric.kind === 'histogram' && metric.name === name) return [`${name} has no value itself`];
    const labels: Row['labels'] = { job: ANY, instance: ANY, le: ANY, ...metric.labels };
    const asked = [...selector.matchAll(/(\w+)\s*([=!]~?)\s*\\?"(.*?)\\?"/g)];
    return asked.flatMap(([, label = '', , value = '']) => {
      const values = labels[label];
      if (values === undefined) return [`${name} has no ${label}`];
      const isKnown = values.length === 0 || values.includes(value);
      return isKnown ? [] : [`${name} has no ${label} ${value}`];
    });
  });
}

it('every expression of the dashboard asks for metrics and labels that exist', () => {
  const faults = dashboard.panels.flatMap(({ targets }) =>
    targets.flatMap(({ expr }) => faultsOf(expr)),
  );
  expect(faults).toEqual([]);
});

it('every expression of the guide does, too', () => {
  const guide = readFileSync(join(docs, 'operating.md'), 'utf8');
  const expressions = [...guide.matchAll(/`([^`\n]*\boxmem_[^`\n]*)`/g)].map(([, it = '']) => it);
  expect(expressions.length).toBeGreaterThan(4);
  expect(expressions.flatMap(faultsOf)).toEqual([]);
});

it('an expression that can never match is found', () => {
  expect(faultsOf('rate(oxmem_nothing_total[1m])')).toEqual(['there is no oxmem_nothing_total']);
  expect(faultsOf('oxmem_device_size_bytes{disk="x"}')).toEqual([
    'oxmem_device_size_bytes has no disk',
  ]);
  expect(faultsOf('oxmem_link_credit_flits{instance="x",channel="A"}')).toEqual([
    'oxmem_link_credit_flits has no channel A',
  ]);
});

it('the dashboard has the shape that Grafana loads, and its panels do not overlap', () => {
  const { panels, templating } = dashboard;
  expect(dashboard).toMatchObject({ id: null, uid: 'oxmem', time: { from: expect.any(String) } });
  expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(templating.list[0]).toMatchObject({ name: 'source', type: 'datasource' });
  const taken = new Set<string>();
  for (const { title, type, gridPos, datasource, fieldConfig, targets } of panels) {
    expect(['timeseries', 'stat'], title).toContain(type);
    expect(datasource).toEqual({ type: 'prometheus', uid: '${source}' });
    expect(fieldConfig.defaults.unit, title).toBeTypeOf('string');
    expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(taken, `${title} at ${x}, ${y}`).not.toContain(`${x},${y}`);
        taken.add(`${x},${y}`);
      }
    }
  }
});
