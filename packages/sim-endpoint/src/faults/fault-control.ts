import type { FaultSettings } from './fault-settings.ts';
import { parseFaultSpecs } from './parse-fault-spec.ts';

/**
 * Changes what goes wrong at an endpoint while it serves: give it to one endpoint as its
 * `faultControl`. What is under way at a change goes its way.
 */
export class FaultControl {
  readonly #parts: ((settings: FaultSettings) => void)[] = [];

  /**
   * From now on these faults, and no others; none by default.
   *
   * @param faults  in the words of `FAULT_SYNTAX`, but for `habit`, which is for life
   * @throws RangeError when one of them cannot be understood
   */
  change(faults: readonly string[] = []): void {
    const result = parseFaultSpecs(faults);
    if (!result.ok) throw new RangeError(`a fault cannot be understood: ${result.reason}`);
    if (result.settings.habits.length > 0) throw new RangeError('a habit cannot be changed');
    for (const set of this.#parts) set(result.settings);
  }

  /** For the composition: a part that makes faults. */
  add(set: (settings: FaultSettings) => void): void {
    this.#parts.push(set);
  }
}
