/*
 * What the memory must hold: each block of 4 KiB is a stretch of one piece of noise, and which one
 * depends on the block and on how often it was written. Costs no copy to send and one comparison to
 * check.
 */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERN_BLOCK_BYTES = 4096, NOISE_BYTES = 1 << 20 };

struct pattern {
  unsigned char *noise;
  /* By block: how often it was written. */
  uint32_t *generations;
  uint64_t blocks;
};

static inline uint32_t next_random(uint32_t *state) {
  uint32_t x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

/* A pattern without noise: out of memory. */
static inline struct pattern make_pattern(uint64_t size_bytes) {
  struct pattern pattern = {.blocks = size_bytes / PATTERN_BLOCK_BYTES};
  pattern.generations = calloc(pattern.blocks, sizeof *pattern.generations);
  unsigned char *noise = malloc(NOISE_BYTES + PATTERN_BLOCK_BYTES);
  if (noise == NULL || pattern.generations == NULL) return pattern;
  uint32_t state = 1;
  for (int i = 0; i < NOISE_BYTES + PATTERN_BLOCK_BYTES; i += 4) {
    uint32_t word = next_random(&state);
    memcpy(noise + i, &word, sizeof word);
  }
  pattern.noise = noise;
  return pattern;
}

/* The bytes that the memory holds from `offset` to the end of that block. */
static inline const unsigned char *pattern_at(const struct pattern *pattern, uint64_t offset) {
  uint64_t block = offset / PATTERN_BLOCK_BYTES;
  uint32_t hash = ((uint32_t)block + 1) * 0x9e3779b1u ^ (pattern->generations[block] + 1) * 0x85ebca77u;
  hash = (hash ^ (hash >> 15)) * 0x2c1b3c6du;
  return pattern->noise + ((hash >> 15) * 8) % NOISE_BYTES + offset % PATTERN_BLOCK_BYTES;
}

/* The next contents of all blocks that a range touches; it begins and ends between blocks. */
static inline void pattern_renew(struct pattern *pattern, uint64_t offset, uint64_t length) {
  uint64_t end = (offset + length) / PATTERN_BLOCK_BYTES;
  for (uint64_t block = offset / PATTERN_BLOCK_BYTES; block < end; block++) {
    pattern->generations[block]++;
  }
}

/* Whether `length` bytes, from anywhere to anywhere, are what the memory holds at `offset`. */
static inline int pattern_matches(const struct pattern *pattern, uint64_t offset,
                                  const unsigned char *bytes, size_t length) {
  while (length > 0) {
    size_t part = PATTERN_BLOCK_BYTES - offset % PATTERN_BLOCK_BYTES;
    if (part > length) part = length;
    if (memcmp(bytes, pattern_at(pattern, offset), part) != 0) return 0;
    offset += part;
    bytes += part;
    length -= part;
  }
  return 1;
}
