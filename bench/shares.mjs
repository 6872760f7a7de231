/**
 * @param {Record<string, number>} seconds by role
 * @param {number} count of requests, or of frames
 * @returns {Record<string, number>} microseconds each
 */
export function shares(seconds, count) {
  return Object.fromEntries(
    Object.entries(seconds).map(([role, each]) => [role, (1e6 * each) / count]),
  );
}
