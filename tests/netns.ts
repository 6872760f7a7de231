/**
 * Two network namespaces joined by a veth pair, for tests: the process under test is in one, the
 * peer in the other. Gate the tests with `describeRequiring(['netns'], ...)`.
 *
 * The work is done by scripts/netns.mjs, which the demo uses too.
 */
export { isInPrivateNetwork, openVethLab } from '../scripts/netns.mjs';
export type { LabInterface, VethLab } from '../scripts/netns.mjs';
