import { allocateAligned } from '../native/arguments.js';
import { ITEM_BYTES, STORAGE } from '../native/dtype.js';
import type { PreparedCall, Queue } from '../native/queue.js';
import { bytesOf, type Expected } from './check.js';
import type { Contender } from './contender.js';
import type { BenchTensor } from './data.js';
import type { Row, RowIdentity } from './types.js';
import { bytesView, type Work } from './work.js';

/** Outputs that exist, and have been touched, before a call: contenders share them, as only one runs at a time. */
export class OutputBuffers {
  readonly #buffers: Uint8Array<ArrayBuffer>[] = [];

  /** The tensors that a call writes. */
  take(expected: readonly Pick<Expected, 'shape' | 'dtype'>[]): BenchTensor[] {
    return expected.map(({ shape, dtype }, i) => {
      const bytes = bytesOf({ shape, dtype });
      const memory = this.#buffer(i, bytes);
      const data = new STORAGE[dtype](memory.buffer, memory.byteOffset, bytes / ITEM_BYTES[dtype]);
      return { data, dtype, shape };
    });
  }

  #buffer(index: number, bytes: number): Uint8Array<ArrayBuffer> {
    const present = this.#buffers[index];
    if (present !== undefined && present.byteLength >= bytes) return present;
    const { buffer, byteOffset } = allocateAligned(bytes);
    const made = new Uint8Array(buffer as ArrayBuffer, byteOffset, bytes).fill(0);
    this.#buffers[index] = made;
    return made;
  }
}

/** A call on the CPU, through the C ABI, into outputs that exist already. `about`: what its row says beside the times. */
export function hostContender(
  queue: Queue,
  work: Work,
  outputs: OutputBuffers,
  about: (identity: RowIdentity) => Partial<Row> = () => ({}),
): Contender {
  let call: PreparedCall | undefined;
  return {
    identity: work.identity,
    bytes: work.bytes,
    check: () => {
      const written = outputs.take(work.outputs());
      const { native, scalars } = work;
      const ready = queue.prepare(native, { inputs: work.inputs(), outputs: written, scalars });
      for (const { data } of written) bytesView(data).fill(0xff); // every element NaN
      ready.run();
      call = ready;
      return work.wrong(written.map(({ data }) => data));
    },
    run: () => call!.run(),
    about: () => about(work.identity),
  };
}
