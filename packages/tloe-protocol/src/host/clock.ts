import type { Micros } from '../units.ts';

/**
 * Time as the pump sees it: a monotonic reading and one alarm.
 * Implemented by `SystemClock` in production and `VirtualClock` under test.
 */
export interface Clock {
  /** Microseconds since an arbitrary origin; never goes back. */
  now(): Micros;
  /**
   * A new alarm of its own, disarmed. `onAlarm` is called once each time an armed deadline has
   * passed, never from inside `arm`.
   */
  createAlarm(onAlarm: () => void): Alarm;
}

/** One alarm: at most one deadline at a time. */
export interface Alarm {
  /** Sets the deadline, replacing the last one. `Infinity` disarms. A time in the past fires soon. */
  arm(at: Micros): void;
  /** Disarms for good and releases the alarm. */
  close(): void;
}
