/**
 * Adds the counters of one object to those of another of the same shape: every field that is a
 * number, and every `Float64Array` entry by entry; what else the objects have is left alone.
 */
export function addCounters<T extends object>(target: T, source: T): void {
  const sums = target as Record<string, unknown>;
  for (const [name, value] of Object.entries(source)) {
    const sum = sums[name];
    if (typeof value === 'number') sums[name] = (sum as number) + value;
    else if (value instanceof Float64Array && sum instanceof Float64Array) {
      for (let i = 0; i < sum.length; i++) (sum[i] as number) += value[i] as number;
    }
  }
}
