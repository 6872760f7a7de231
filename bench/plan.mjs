/**
 * What is measured. A *setting* is an MTU with the largest access that fits a frame of it; a *block*
 * is the rows between two measurements of the ceiling; a *row* is one line of the table.
 *
 * @typedef {object} Setting
 * @property {number} mtuBytes
 * @property {number} maxRequestBytes largest TileLink access
 * @property {number} frameBytes a frame that carries one such access, for the ceiling
 *
 * @typedef {'nbd' | 'link' | 'memory'} Path
 *   `nbd`: client, NBD socket, driver, wire, endpoint: what a user gets;
 *   `link`: an initiator on the raw socket, wire, endpoint: the same without NBD;
 *   `memory`: initiator and endpoint in one process, without a wire: the protocol alone
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {Path} path
 * @property {import('./load-run.mjs').Workload} workload
 *
 * @typedef {object} Block
 * @property {string} name
 * @property {Path} path
 * @property {Setting} setting
 * @property {Row[]} rows
 */

/** @type {readonly Setting[]} */
const settings = [
  { mtuBytes: 1500, maxRequestBytes: 1024, frameBytes: 1070 },
  { mtuBytes: 9000, maxRequestBytes: 4096, frameBytes: 4142 },
];

const kibi = 1024;
/** @type {import('./load-run.mjs').Workload[]} */
const sequential = [
  { kind: 'write', order: 'sequential', requestBytes: 128 * kibi, depth: 16 },
  { kind: 'read', order: 'sequential', requestBytes: 128 * kibi, depth: 16 },
];
/** Depth 1 last: by then every process has compiled its hot code, which latencies need. */
/** @type {import('./load-run.mjs').Workload[]} */
const random = [
  { kind: 'write', order: 'random', requestBytes: 4 * kibi, depth: 32 },
  { kind: 'read', order: 'random', requestBytes: 4 * kibi, depth: 32 },
  { kind: 'write', order: 'random', requestBytes: 4 * kibi, depth: 1 },
  { kind: 'read', order: 'random', requestBytes: 4 * kibi, depth: 1 },
];

/** Enough to see where the rest of the way loses time. */
const few = [...sequential, ...random.filter(({ kind }) => kind === 'read')];

/** What any client must have room for: the largest of the workloads, and of the passes over all. */
export const MOST_IN_FLIGHT = { depth: 32, requestBytes: 128 * kibi };

/**
 * @param {{ rows: readonly string[], smoke: boolean }} options `rows`: only those whose name contains
 *   one of these; all if empty. `smoke`: fewer blocks, so fewer starts; every path once
 * @returns {Block[]} in the order of the table; none without rows
 */
export function makePlan({ rows, smoke }) {
  const groups = smoke
    ? [{ name: '', workloads: [...sequential, ...random] }]
    : [
        { name: ' seq', workloads: sequential },
        { name: ' rand', workloads: random },
      ];
  const blocks = settings.flatMap((setting, index) => {
    const whole = groups.map((group) => makeBlock('nbd', setting, group));
    if (smoke && index > 0) return whole;
    const parts = /** @type {const} */ (['link', 'memory']).map((path) =>
      makeBlock(path, setting, { name: '', workloads: few }),
    );
    return [...whole, ...parts];
  });
  const isWanted = (/** @type {Row} */ row) =>
    rows.length === 0 || rows.some((text) => row.name.includes(text));
  return blocks
    .map((block) => ({ ...block, rows: block.rows.filter(isWanted) }))
    .filter((block) => block.rows.length > 0);
}

/**
 * @param {Path} path
 * @param {Setting} setting
 * @param {{ name: string, workloads: import('./load-run.mjs').Workload[] }} group
 * @returns {Block}
 */
function makeBlock(path, setting, { name, workloads }) {
  const place = `${path} mtu ${setting.mtuBytes}`;
  const rows = workloads.map((workload) => {
    return { name: `${place} ${describe(workload)}`, path, workload };
  });
  return { name: `${place}${name}`, path, setting, rows };
}

/** @param {import('./load-run.mjs').Workload} workload */
function describe({ kind, order, requestBytes, depth }) {
  const word = order === 'sequential' ? 'seq' : 'rand';
  return `${word} ${kind} ${requestBytes / kibi}k d${depth}`;
}
