import type { SimulationPlan } from './plan.ts';
import { runPlan, type RunReport } from './run-plan.ts';
import { invariant } from './violation.ts';

/**
 * Runs a plan twice: invariant 8, the same plan gives the same run.
 *
 * @throws Violation as `runPlan` does, or if the two differ
 */
export async function runTwice(plan: SimulationPlan): Promise<RunReport> {
  const first = await runPlan(plan);
  const second = await runPlan(plan);
  const text = (): string => `the second run has hash ${second.hash}, the first ${first.hash}`;
  invariant(8, first.hash === second.hash, text);
  return first;
}

/** How a plan fails, as a short text that is the same for the same failure. */
export async function failureOf(plan: SimulationPlan): Promise<string | undefined> {
  try {
    await runTwice(plan);
    return undefined;
  } catch (thrown) {
    return failureName(thrown);
  }
}

/** Without numbers: those change when the plan does. */
export function failureName(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replace(/\d+/g, 'N').slice(0, 60);
}
