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

/** Looks every few milliseconds whether `holds`, for at most `millis`. */
export async function becomesTrue(
  clock: DeviceClock,
  millis: number,
  holds: () => boolean,
): Promise<boolean> {
  for (let waited = 0; !holds(); waited += LOOK_MILLIS) {
    if (waited >= millis) return false;
    await pause(clock, LOOK_MILLIS);
  }
  return true;
}

const LOOK_MILLIS = 5;
