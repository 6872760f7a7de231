/* Counts durations in buckets of equal relative width: a percentile is within 0.6 percent. */
#pragma once
#include <math.h>
#include <stdint.h>

enum { BUCKETS_PER_OCTAVE = 64, LOWEST_OCTAVE = -4, OCTAVES = 36 };

struct histogram {
  uint64_t counts[BUCKETS_PER_OCTAVE * OCTAVES];
  uint64_t total;
};

static inline void histogram_add(struct histogram *histogram, double micros) {
  int bucket = (int)((log2(micros) - LOWEST_OCTAVE) * BUCKETS_PER_OCTAVE);
  if (bucket < 0) bucket = 0;
  if (bucket >= BUCKETS_PER_OCTAVE * OCTAVES) bucket = BUCKETS_PER_OCTAVE * OCTAVES - 1;
  histogram->counts[bucket]++;
  histogram->total++;
}

/* Microseconds that `share` (0 .. 1) of the durations do not exceed; 0 without a single one. */
static inline double histogram_percentile(const struct histogram *histogram, double share) {
  if (histogram->total == 0) return 0;
  uint64_t rank = (uint64_t)ceil(share * (double)histogram->total);
  uint64_t seen = 0;
  int bucket = -1;
  do {
    seen += histogram->counts[++bucket];
  } while (seen < rank || seen == 0);
  return exp2((bucket + 0.5) / BUCKETS_PER_OCTAVE + LOWEST_OCTAVE);
}
