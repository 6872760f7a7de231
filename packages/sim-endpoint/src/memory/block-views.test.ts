import { describe, expect, it } from 'vitest';
import { BlockViews } from './block-views.ts';

const page = Uint8Array.from({ length: 65_536 }, (_, i) => i & 0xff);

describe('BlockViews', () => {
  it('gives the same view for the same block, and another for another', () => {
    const views = new BlockViews(2 ** 40);
    const first = views.view(1024, 1024, page, 1024);
    expect([first.byteOffset, first.length]).toEqual([1024, 1024]);
    expect(views.view(1024, 1024, page, 1024)).toBe(first);
    expect(views.view(2048, 1024, page, 2048).byteOffset).toBe(2048);
    expect(views.view(1024, 1024, page, 1024)).toBe(first);
  });

  it('does not mix up lengths, nor blocks that share a place', () => {
    const views = new BlockViews(2 ** 40);
    const blocks = [
      [4096, 4096],
      [1024, 1024],
      [1024 + 65_536 * 1024, 1024],
      [1024 + 65_536 * 65_536 * 1024, 1024],
      [1536, 1024],
    ] as const;
    for (let round = 0; round < 2; round++) {
      for (const [offset, length] of blocks) {
        const within = offset % 65_536;
        const view = views.view(offset, length, page, within);
        expect([view.byteOffset, view.length]).toEqual([within, length]);
      }
    }
  });
});
