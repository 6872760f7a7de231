import { Child } from './children.mjs';
import { nativeProgram } from './native-programs.mjs';

/** @typedef {import('./scene.mjs').Measurement} Measurement */
/** @typedef {import('../scripts/netns.mjs').VethLab} VethLab */

/** A frame of a write that carries one access: headers 22, message 16, mask 8. */
const OVERHEAD_BYTES = 46;

/**
 * Floods the wire once from the driver's end to the endpoint's end, with frames of one access each.
 *
 * @param {VethLab} lab where nobody else uses the wire
 * @param {{ accessBytes: number, seconds: number }} options
 * @returns {Promise<Pick<Measurement, 'megabytesPerSecond' | 'seconds'> & { framesPerSecond: number }>}
 */
export async function measureCeiling(lab, { accessBytes, seconds }) {
  const numbers = [String(accessBytes + OVERHEAD_BYTES), String(seconds)];
  const answer = await runNative('raw-ceiling', [...endsOf(lab), ...numbers]);
  const { payloadMegabytesPerSecond, framesPerSecond } = answer;
  return { seconds, megabytesPerSecond: payloadMegabytesPerSecond, framesPerSecond };
}

/**
 * The same exchange of frames by a program in C.
 *
 * @param {VethLab} lab where nobody else uses the wire
 * @param {{ workload: import('./load-run.mjs').Workload, accessBytes: number, seconds: number,
 *   isSpinning: boolean }} options
 * @returns {Promise<Measurement>}
 */
export async function measureExchange(lab, { workload, accessBytes, seconds, isSpinning }) {
  const { kind, order, requestBytes, depth } = workload;
  const numbers = [accessBytes, requestBytes, depth, seconds, isSpinning ? 1 : 0].map(String);
  const answer = await runNative('exchange', [...endsOf(lab), kind, order, ...numbers]);
  return { ...answer, connectionRates: [answer.requestsPerSecond] };
}

/** @param {VethLab} lab */
function endsOf(lab) {
  const receiver = [lab.peer.name, `/proc/${lab.peerPid}/ns/net`];
  return [lab.local.name, '/proc/self/ns/net', ...receiver];
}

/**
 * @param {'raw-ceiling' | 'exchange'} name
 * @param {readonly string[]} args
 */
async function runNative(name, args) {
  const child = new Child(name, [nativeProgram(name), ...args]);
  await child.succeeded();
  return JSON.parse(child.output);
}
