import { expect, it } from 'vitest';

import { SystemClock } from './system-clock.ts';

it('fires real alarms after their deadlines and not before', async () => {
  const clock = new SystemClock();
  for (const wait of [-100, 0, 1, 300, 999, 1_000, 1_001, 5_500]) {
    const deadline = clock.now() + wait;
    const firedAt = await new Promise<number>((resolve) => {
      const alarm = clock.createAlarm(() => resolve(clock.now()));
      alarm.arm(deadline);
    });
    expect(firedAt).toBeGreaterThanOrEqual(deadline);
  }
});

it('fires not before the deadline when the loop was busy as it was armed', async () => {
  const clock = new SystemClock();
  const busyUntil = clock.now() + 20_000;
  while (clock.now() < busyUntil);
  const deadline = clock.now() + 5_000;
  const firedAt = await new Promise<number>((resolve) => {
    clock.createAlarm(() => resolve(clock.now())).arm(deadline);
  });
  expect(firedAt).toBeGreaterThanOrEqual(deadline);
});

it('cancels a real alarm', async () => {
  const clock = new SystemClock();
  const fired: string[] = [];
  const closed = clock.createAlarm(() => fired.push('closed'));
  closed.arm(clock.now() + 1_000);
  closed.close();
  const soon = clock.createAlarm(() => fired.push('soon'));
  soon.arm(clock.now() - 1);
  soon.close();
  await new Promise<void>((resolve) => {
    clock.createAlarm(resolve).arm(clock.now() + 5_000);
  });
  expect(fired).toEqual([]);
});
