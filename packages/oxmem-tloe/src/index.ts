/**
 * What the command `oxmem-tloe` is made of: captures as frames, frames as what they mean, a dissector
 * for Wireshark, and dialogues with an endpoint. Everything is sans-IO but `startLiveCapture`.
 */
export { CaptureReader } from './capture/capture-reader.ts';
export {
  LINK_TYPE_ETHERNET,
  type CaptureRecord,
  type CaptureStep,
} from './capture/capture-record.ts';
export { startLiveCapture, type LiveCapture, type LiveListener } from './capture/live-capture.ts';
export { FrameDecoder, type DecoderCounts, type DecoderOptions } from './decode/frame-decoder.ts';
export type {
  Answered,
  DecodedFrame,
  DecodedMessage,
  FrameHeader,
  Mark,
} from './decode/decoded-frame.ts';
export { VIOLATIONS, type Violation, type ViolationKind } from './decode/violation.ts';
export { jsonLine } from './decode/json-line.ts';
export { TEXT_HEADING, textLine } from './decode/text-line.ts';
export { summaryOf, summaryText, type Summary } from './decode/summary.ts';
export { CheckRun, type CheckResult, type Restoration } from './check/check-run.ts';
export { SCENARIOS } from './check/scenarios/index.ts';
export type { Scenario } from './check/scenario.ts';
export type { Outcome } from './check/verdict.ts';
export { ScriptedInitiator, type ScriptPlace } from './check/scripted-initiator.ts';
export type { ScratchRange } from './check/scratch-range.ts';
export { junitXml } from './check/junit.ts';
export { wiresharkDissector } from './wireshark/dissector.ts';
