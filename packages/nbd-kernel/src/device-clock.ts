/** Time, as far as a device needs it: deadlines and pauses between looks. */
export interface DeviceClock {
  /**
   * Calls `run` once, `millis` milliseconds from now.
   *
   * @returns a function that prevents it; idempotent
   */
  after(millis: number, run: () => void): () => void;
}

/** The machine's timers. */
export const machineClock: DeviceClock = {
  after(millis, run) {
    const timer = setTimeout(run, millis);
    return () => clearTimeout(timer);
  },
};

export function pause(clock: DeviceClock, millis: number): Promise<void> {
  return new Promise((resolve) => clock.after(millis, resolve));
}

/** @returns whether `work` was settled within the time; a rejection comes through */
export async function isDoneWithin(
  clock: DeviceClock,
  millis: number,
  work: Promise<unknown>,
): Promise<boolean> {
  let cancel: () => void = () => undefined;
  const overdue = new Promise<boolean>((resolve) => {
    cancel = clock.after(millis, () => resolve(false));
  });
  try {
    return await Promise.race([work.then(() => true), overdue]);
  } finally {
    cancel();
  }
}

/**
 * Looks again and again whether `holds`, which is told how long we have waited, for at most `millis`:
 * every few milliseconds at first, later every 50.
 *
 * @returns whether it held in time
 */
export async function becomesTrue(
  clock: DeviceClock,
  millis: number,
  holds: (waitedMillis: number) => boolean,
): Promise<boolean> {
  for (let waited = 0; !holds(waited);) {
    if (waited >= millis) return false;
    const look = waited < SOON_MILLIS ? SHORT_LOOK_MILLIS : LONG_LOOK_MILLIS;
    await pause(clock, look);
    waited += look;
  }
  return true;
}

const SHORT_LOOK_MILLIS = 5;
const LONG_LOOK_MILLIS = 50;
const SOON_MILLIS = 200;
