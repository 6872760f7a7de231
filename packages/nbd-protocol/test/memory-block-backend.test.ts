import { MemoryBlockBackend } from '../src/testing/memory-block-backend.ts';
import { describeBlockBackend } from '../src/testing/block-backend-contract.ts';
import { MIB } from './serve.ts';

describeBlockBackend('a memory device', () => ({
  backend: new MemoryBlockBackend({ sizeBytes: 16 * MIB }),
  advance: () => undefined,
}));

describeBlockBackend('a memory device that completes late and out of order', () => {
  const backend = new MemoryBlockBackend({ sizeBytes: 16 * MIB, holding: true });
  return {
    backend,
    advance: () => {
      if (backend.held.length > 0) backend.completeAt(backend.held.length - 1);
    },
  };
});

describeBlockBackend('a memory device with blocks of 4096', () => ({
  backend: new MemoryBlockBackend({ sizeBytes: 16 * MIB, minimumBlockBytes: 4096 }),
  advance: () => undefined,
}));
