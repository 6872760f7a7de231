/**
 * L2: the TLoE link, one end of it. Numbers frames, acknowledges, resends, counts credits, opens
 * and closes. Sans-IO: time and bytes come in as arguments. It knows messages only as something
 * that costs flits.
 */
export * from './link.ts';
export * from './link-config.ts';
export * from './link-events.ts';
export type { LinkPosition } from './link-position.ts';
export * from './link-state.ts';
export * from './link-stats.ts';
export * from './message-receiver.ts';
export * from './peer-profile.ts';
export {
  INITIATOR_SIGNS,
  RESPONDER_SIGNS,
  type InitiatorSign,
  type ResponderSign,
} from './peer-recognition.ts';
export * from './round-trip.ts';
export * from './sequence-number.ts';
