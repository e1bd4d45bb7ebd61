// Sees how large the buffers are that a parser asks for: a lie about a length must not turn into memory, and the size of a
// request shows that at once, where the process's memory shows it late or never.

export interface AllocationWatch {
  /** The largest request since the last call, in bytes. */
  readonly takeLargestBytes: () => number;
  readonly largestEverBytes: () => number;
  /** Ends the watching. */
  readonly stop: () => void;
}

const ALLOCATORS = ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const;

/** Watches what Buffer's allocators are asked for, process-wide, until `stop`. */
export function watchAllocations(): AllocationWatch {
  let largest = 0;
  let largestEver = 0;
  const originals = ALLOCATORS.map((name) => ({
    name,
    allocate: Buffer[name].bind(Buffer) as (sizeBytes: number, ...rest: unknown[]) => Buffer<ArrayBuffer>,
  }));
  for (const { name, allocate } of originals) {
    Buffer[name] = (sizeBytes: number, ...rest: unknown[]) => {
      largest = Math.max(largest, sizeBytes);
      largestEver = Math.max(largestEver, sizeBytes);
      return allocate(sizeBytes, ...rest);
    };
  }
  return {
    takeLargestBytes: () => {
      const taken = largest;
      largest = 0;
      return taken;
    },
    largestEverBytes: () => largestEver,
    stop: () => {
      for (const { name, allocate } of originals) Buffer[name] = allocate;
    },
  };
}
