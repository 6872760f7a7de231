/**
 * What is measured: rows, each a workload in a scene beside its reference.
 *
 * @typedef {import('./scene.mjs').SceneSpec} SceneSpec
 * @typedef {import('./scene.mjs').LoadGroup} LoadGroup
 * @typedef {import('./load-run.mjs').Workload} Workload
 *
 * @typedef {{ kind: 'ceiling' } | { kind: 'exchange', workload: Workload, isSpinning: boolean }
 *   | { kind: 'scene', scene: SceneSpec, groups: LoadGroup[] }} Reference
 *   `ceiling`: a flood of frames over the same wire; `exchange`: the same exchange in C over the same
 *   wire; `scene`: another scene, or another load on the same one
 *
 * @typedef {'rate' | 'p50' | 'p999Millis' | 'driverCpuPerFrame' | 'spread'} PickName
 *
 * What is looked at in a row. `isRatio`: divided by the reference of the same pair.
 *
 * @typedef {object} Figure
 * @property {PickName} pick
 * @property {boolean} isRatio
 * @property {string} [label] where a row has several
 * @property {Goal} [goal]
 *
 * @typedef {object} Goal
 * @property {'more' | 'less'} better
 * @property {number} least that must be reached
 * @property {number} aim
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {'a ceiling' | 'b nbdkit' | 'c exchange' | 'latency' | 'devices' | 'loss' | 'grid' | 'protocol' | 'observation'} section
 * @property {SceneSpec} scene
 * @property {LoadGroup[]} groups
 * @property {Reference | undefined} reference
 * @property {Figure[]} figures the first one is the row's; at least one
 * @property {boolean} [isSteady] measured once, for long, instead of in pairs
 * @property {boolean} [isQuick] part of --quick
 * @property {boolean} [isSmoke] part of --smoke
 */

const kibi = 1024;

/** @type {SceneSpec} */
const base = {
  path: 'export',
  mtuBytes: 1500,
  maxRequestBytes: 1024,
  clients: 1,
  busyPollMicros: 0,
  endpointPollMicros: 0,
  fault: undefined,
};
const jumbo = { mtuBytes: 9000, maxRequestBytes: 4096 };

/**
 * @param {string} text such as 'seq read 128k d16'
 * @returns {Workload}
 */
export function workloadOf(text) {
  const [order, kind, length = '', depth = ''] = text.split(' ');
  const requestBytes = parseInt(length, 10) * (length.endsWith('M') ? kibi * kibi : kibi);
  return {
    kind: kind === 'write' ? 'write' : 'read',
    order: order === 'seq' ? 'sequential' : 'random',
    requestBytes,
    depth: Number(depth.slice(1)),
  };
}

/**
 * @param {string} text
 * @param {number} [count] connections
 * @param {number} [first]
 * @returns {LoadGroup}
 */
const load = (text, count = 1, first = 0) => ({ first, count, workload: workloadOf(text) });

/** @type {(least: number, aim: number) => Goal} */
const atLeast = (least, aim) => ({ better: 'more', least, aim });
/** @type {(least: number, aim: number) => Goal} */
const atMost = (least, aim) => ({ better: 'less', least, aim });

/** @type {Figure} */
const rateRatio = { pick: 'rate', isRatio: true };
/** @type {Figure} */
const driverCpu = { pick: 'driverCpuPerFrame', isRatio: true, label: 'driver CPU a frame' };
/** @type {Figure} */
const p50Ratio = { pick: 'p50', isRatio: true };

/** @returns {Row[]} (a) payload through a socket against the flood of frames */
function ceilingRows() {
  const rows = [];
  for (const mtu of [{}, jumbo]) {
    for (const path of /** @type {const} */ (['export', 'kernel'])) {
      for (const kind of ['read', 'write']) {
        const scene = { ...base, ...mtu, path };
        const goals = { read: atLeast(0.6, 0.8), write: atLeast(0.45, 0.6) };
        const goal = 'mtuBytes' in mtu ? atLeast(0.45, 0.65) : goals[/** @type {'read'} */ (kind)];
        const text = `seq ${kind} 128k d16`;
        rows.push({
          name: `${path} mtu ${scene.mtuBytes} ${text}`,
          section: /** @type {const} */ ('a ceiling'),
          scene,
          groups: [load(text)],
          reference: { kind: /** @type {const} */ ('ceiling') },
          figures: [{ ...rateRatio, goal }],
          isQuick: true,
          isSmoke: path === 'export' && scene.mtuBytes === 1500,
        });
      }
    }
  }
  return rows;
}

/** @returns {Row[]} (b) what NBD alone costs */
function nbdkitRows() {
  const texts = [
    'seq read 128k d16',
    'seq write 128k d16',
    'rand read 4k d32',
    'rand write 4k d32',
  ];
  return [...texts, 'rand read 4k d1'].map((text) => ({
    name: `export ${text} / nbdkit memory`,
    section: 'b nbdkit',
    scene: base,
    groups: [load(text)],
    reference: { kind: 'scene', scene: { ...base, path: 'nbdkit' }, groups: [load(text)] },
    figures: [text.endsWith('d1') ? p50Ratio : rateRatio],
    isQuick: text.startsWith('seq read') || text.endsWith('read 4k d32'),
    isSmoke: text === 'rand read 4k d32',
  }));
}

/** @returns {Row[]} (c) the protocol alone against the same exchange in C */
function exchangeRows() {
  const rows = [];
  for (const mtu of [{}, jumbo]) {
    for (const busyPollMicros of [0, 50]) {
      for (const kind of ['read', 'write']) {
        const text = `seq ${kind} 128k d16`;
        const path = /** @type {const} */ ('link');
        const polls = { busyPollMicros, endpointPollMicros: busyPollMicros };
        const scene = { ...base, ...mtu, path, ...polls };
        const isSpinning = busyPollMicros > 0;
        rows.push({
          name: `link mtu ${scene.mtuBytes} ${text}${isSpinning ? ' busy-poll' : ''} / C exchange`,
          section: /** @type {const} */ ('c exchange'),
          scene,
          groups: [load(text)],
          reference: exchange(text, isSpinning),
          figures: [
            { ...rateRatio, goal: kind === 'read' ? atLeast(0.65, 0.85) : atLeast(0.6, 0.8) },
            {
              pick: /** @type {const} */ ('driverCpuPerFrame'),
              isRatio: true,
              label: 'driver CPU a frame',
              ...(!isSpinning && { goal: atMost(1.5, 1.2) }),
            },
          ],
          isQuick: !isSpinning,
          isSmoke: !isSpinning && kind === 'read' && scene.mtuBytes === 1500,
        });
      }
    }
  }
  return rows;
}

/**
 * @param {string} text
 * @param {boolean} isSpinning
 * @returns {Reference}
 */
function exchange(text, isSpinning) {
  return { kind: 'exchange', workload: workloadOf(text), isSpinning };
}

/** Who spins for the next frame instead of sleeping, in microseconds. */
const pollings = [
  { suffix: '', busyPollMicros: 0, endpointPollMicros: 0 },
  { suffix: ' busy-poll', busyPollMicros: 50, endpointPollMicros: 0 },
  { suffix: ' busy-poll both', busyPollMicros: 50, endpointPollMicros: 50 },
];

/** @returns {Row[]} one request at a time, asleep and spinning; and rare delays */
function latencyRows() {
  /** @type {Row[]} */
  const rows = [];
  for (const path of /** @type {const} */ (['export', 'kernel', 'link'])) {
    for (const { suffix, ...polls } of pollings) {
      for (const kind of ['read', 'write']) {
        const text = `rand ${kind} 4k d1`;
        rows.push({
          name: `${path} ${text} p50${suffix} / C exchange`,
          section: 'latency',
          scene: { ...base, path, ...polls },
          groups: [load(text)],
          reference: exchange(text, polls.endpointPollMicros > 0),
          figures: [p50Ratio],
          isQuick: path === 'export' && kind === 'read',
        });
      }
    }
  }
  for (const kind of ['read', 'write']) {
    rows.push({
      name: `export rand ${kind} 4k d32 p99.9`,
      section: 'latency',
      scene: base,
      groups: [load(`rand ${kind} 4k d32`)],
      reference: undefined,
      figures: [{ pick: 'p999Millis', isRatio: false, goal: atMost(10, 3) }],
      isSteady: true,
      isQuick: kind === 'read',
    });
  }
  return rows;
}

/** @returns {Row[]} many devices or clients together against one of them, and big beside small */
function deviceRows() {
  /** @type {Row[]} */
  const rows = [];
  for (const path of /** @type {const} */ (['kernel', 'export'])) {
    for (const clients of [4, 16]) {
      for (const text of ['rand read 4k d32', 'rand write 4k d32', 'seq read 128k d8']) {
        const scene = { ...base, path, clients };
        rows.push({
          name: `${path} ${clients} ${path === 'kernel' ? 'devices' : 'clients'} ${text} / one`,
          section: 'devices',
          scene,
          groups: [load(text, clients)],
          reference: { kind: 'scene', scene, groups: [load(text)] },
          figures: [
            { ...rateRatio, ...(clients === 16 && { goal: atLeast(0.9, 1) }) },
            {
              pick: 'spread',
              isRatio: false,
              label: 'furthest from their mean',
              ...(clients === 16 && { goal: atMost(0.15, 0.05) }),
            },
          ],
          isQuick: path === 'kernel' && clients === 16 && text === 'rand read 4k d32',
          isSmoke: path === 'kernel' && clients === 4 && text === 'rand read 4k d32',
        });
      }
    }
  }
  for (const text of ['rand read 4k d1', 'rand read 4k d32']) {
    const scene = { ...base, path: /** @type {const} */ ('kernel'), clients: 4 };
    rows.push({
      name: `kernel ${text} beside 1 MiB reads d8 on another device, p50 / alone`,
      section: 'devices',
      scene,
      groups: [load(text), load('seq read 1M d8', 1, 1)],
      reference: { kind: 'scene', scene, groups: [load(text)] },
      figures: [p50Ratio],
    });
  }
  return rows;
}

/** @returns {Row[]} a wire that loses frames against one that does not */
function lossRows() {
  return ['0.1%', '1%'].flatMap((loss) =>
    ['read', 'write'].map((kind) => {
      const text = `seq ${kind} 128k d16`;
      return /** @type {Row} */ ({
        name: `export ${text} ${loss} loss / none`,
        section: 'loss',
        scene: { ...base, fault: `loss=${loss}` },
        groups: [load(text)],
        reference: { kind: 'scene', scene: base, groups: [load(text)] },
        figures: [{ ...rateRatio, ...(loss === '1%' && { goal: atLeast(0.5, 0.75) }) }],
        isQuick: loss === '1%',
        isSmoke: loss === '1%' && kind === 'read',
      });
    }),
  );
}

/** @returns {Row[]} every length and depth through the export, against the flood */
function gridRows() {
  const texts = [];
  for (const length of ['4k', '128k', '1M']) {
    for (const depth of length === '1M' ? [1, 8, 32] : [1, 8, 32, 128]) {
      for (const kind of ['read', 'write']) texts.push(`seq ${kind} ${length} d${depth}`);
      if (length === '1M') continue;
      for (const kind of ['read', 'write']) texts.push(`rand ${kind} ${length} d${depth}`);
    }
  }
  return texts.map((text) => ({
    name: `export ${text}`,
    section: 'grid',
    scene: base,
    groups: [load(text)],
    reference: { kind: 'ceiling' },
    figures: [rateRatio],
    isQuick: text.startsWith('rand') && text.includes(' 4k ') && / d(1|32)$/.test(text),
  }));
}

/** @returns {Row[]} initiator and endpoint in one process, without a wire */
function protocolRows() {
  return ['seq read 128k d16', 'seq write 128k d16', 'rand read 4k d32'].map((text) => ({
    name: `memory ${text}`,
    section: 'protocol',
    scene: { ...base, path: 'memory' },
    groups: [load(text)],
    reference: undefined,
    figures: [{ pick: 'rate', isRatio: false }],
    isQuick: text === 'seq read 128k d16',
  }));
}

/** @returns {Row[]} a driver that is watched, each second and twice, against one that is not */
function observationRows() {
  return ['seq read 128k d16', 'seq write 128k d16', 'rand read 4k d32'].map((text) => ({
    name: `export ${text} watched / not`,
    section: 'observation',
    scene: { ...base, isWatched: true },
    groups: [load(text)],
    reference: { kind: 'scene', scene: base, groups: [load(text)] },
    figures: [{ ...rateRatio, goal: atLeast(0.98, 1) }, driverCpu],
    isQuick: false,
    isSmoke: text.startsWith('rand'),
  }));
}

/**
 * @param {Pick<import('./options.mjs').BenchOptions, 'rows' | 'size'>} options
 * @returns {Row[]} in the order of the table; none if no name fits
 */
export function makePlan({ rows, size }) {
  const all = [
    ...ceilingRows(),
    ...nbdkitRows(),
    ...exchangeRows(),
    ...latencyRows(),
    ...deviceRows(),
    ...lossRows(),
    ...gridRows(),
    ...protocolRows(),
    ...observationRows(),
  ];
  return all.filter((row) => {
    if (rows.length > 0) return rows.some((text) => row.name.includes(text));
    if (size === 'full') return true;
    return (size === 'quick' ? row.isQuick : row.isSmoke) === true;
  });
}
