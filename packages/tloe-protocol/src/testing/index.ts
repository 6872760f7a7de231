/**
 * A network without cables and a clock without time, for tests of everything that speaks through
 * the ports of the host; and the model to compare a remote memory with.
 *
 * Nothing here reads a clock or draws a number of its own: the same seed gives the same run. The
 * suite for transports, which needs vitest, stands apart in `./testing/transport-contract`.
 */
export {
  createDirectLink,
  type DirectLink,
  type DirectLinkOptions,
  type Scheduler,
} from './direct-link.ts';
export { Dialogue, NOTHING_LEFT, type DialogueOptions } from './dialogue.ts';
export { EventQueue, type QueuedEvent } from './event-queue.ts';
export {
  NO_FAULTS,
  describeFaultPlan,
  describeFaults,
  directionFaults,
  symmetricFaults,
  type CutFault,
  type DirectionFaults,
  type FaultPlan,
  type LossBursts,
  type ScriptedFault,
} from './fault-plan.ts';
export {
  MemoryOracle,
  type OracleMismatch,
  type ReadTicket,
  type WriteTicket,
} from './memory-oracle.ts';
export { ArrayMemory, MemoryPeer, type MemoryPeerOptions } from './memory-peer.ts';
export {
  MAC_A,
  MAC_B,
  MemoryNetwork,
  MemoryTransport,
  createMemoryLink,
  type MemoryLink,
  type MemoryLinkOptions,
  type MemoryTransportOptions,
  type MemoryTransportPlace,
} from './memory-transport.ts';
export {
  NetworkSimulator,
  type Arrival,
  type FrameFate,
  type NetworkOptions,
  type PortCounts,
  type PortOptions,
  type Topology,
  type WireNote,
} from './network-simulator.ts';
export { Prng } from './prng.ts';
export { SimulationStuckError, VirtualClock, type RunLimits } from './virtual-clock.ts';
