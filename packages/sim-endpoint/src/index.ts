/**
 * A software OmniXtend memory endpoint: memory, faults, and the engine of `@oxmem/tloe-protocol` in
 * the responder's role. Starts in one call: on a network interface (`startEndpoint`), wholly in
 * memory and real time (`createMemoryEndpoint`), or in virtual time (`createVirtualEndpoint`).
 */
export {
  startEndpoint,
  type NetworkEndpointOptions,
  type NetworkEndpointStats,
  type RunningEndpoint,
} from './start-endpoint.ts';
export {
  createMemoryEndpoint,
  createVirtualEndpoint,
  type InitiatorOptions,
  type MemoryEndpoint,
  type MemoryEndpointOptions,
  type VirtualEndpoint,
} from './memory-endpoint.ts';
export {
  MAX_ACCESS_BYTES,
  composeEndpoint,
  composePersona,
  composeServer,
  type EndpointOptions,
  type EndpointPorts,
} from './compose-endpoint.ts';
export type { MemoryServer } from './memory-server.ts';
export { PersonaEndpoint, type PersonaParts } from './persona/persona-endpoint.ts';
export type * from './persona/endpoint-habits.ts';
export { ENDPOINT_PERSONAS, type EndpointPersonaName } from './persona/endpoint-personas.ts';
export {
  INITIATOR_PERSONAS,
  type InitiatorHabits,
  type InitiatorPersonaName,
} from './persona/initiator-habits.ts';
export { PersonaInitiator, type InitiatorPlace } from './persona/persona-initiator.ts';
export { HABIT_FAULTS, type HabitFault } from './persona/habit-faults.ts';
export { Endpoint, type EndpointParts } from './endpoint.ts';
export { endpointConfig, type EndpointConfig } from './endpoint-config.ts';
export type { EndpointEvent, EndpointListener } from './endpoint-events.ts';
export type { ConnectionStats, EndpointStats } from './endpoint-stats.ts';
export type { RequestFaults } from './connection.ts';
export {
  SparseMemory,
  type SparseMemoryOptions,
  type UntouchedContent,
} from './memory/sparse-memory.ts';
export { FileMemory, FileMemoryError, type FileMemoryErrorCode } from './memory/file-memory.ts';
export { createPatternMemory, patternByte } from './memory/pattern-memory.ts';
export { TAINT_BYTE, createTaintedMemory } from './memory/tainted-memory.ts';
export {
  FAULT_SYNTAX,
  formatFaultSpecs,
  parseFaultSpec,
  parseFaultSpecs,
  type FaultSpecResult,
} from './faults/parse-fault-spec.ts';
export {
  NO_FAULT_SETTINGS,
  type FaultDirection,
  type FaultSettings,
  type FrameFaults,
  type StallFault,
} from './faults/fault-settings.ts';
export { FaultControl } from './faults/fault-control.ts';
export { FaultyTransport } from './faults/faulty-transport.ts';
export type { FaultCounts, FrameFaultCounts } from './faults/faulty-direction.ts';
