import { labelOf } from '../activations/labels.js';
import { allocateAligned } from '../native/arguments.js';
import { decode, ITEM_BYTES } from '../native/dtype.js';
import type { PreparedCall, Queue } from '../native/queue.js';
import type { Device } from '../native/types.js';
import { backwardPass, type FusedOp, forwardPass } from '../op/types.js';
import { bytesOf, disagreement, type Expected, FUSED_BOUND, OpCase } from './check.js';
import type { Contender } from './contender.js';
import type { BenchData, Values } from './data.js';
import type { RowIdentity } from './types.js';

const COPY_METHODS: readonly (readonly [name: string, scalar: number])[] = [
  ['memcpy', 1],
  ['streaming stores', 2],
];

/** Outputs that exist, and have been touched, before a call: contenders share them, as only one runs at a time. */
export class Outputs {
  readonly #buffers: Uint8Array<ArrayBuffer>[] = [];

  /** The tensors that a call writes. */
  take(expected: readonly Pick<Expected, 'shape' | 'dtype'>[]): Values[] {
    return expected.map(({ shape, dtype }, i) => {
      const bytes = bytesOf({ shape, dtype });
      const memory = this.#buffer(i, bytes);
      const type = dtype === 'f32' ? Float32Array : Uint16Array;
      return { data: new type(memory.buffer, memory.byteOffset, bytes / ITEM_BYTES[dtype]), dtype, shape };
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

/** Every op's two passes, driven through the C ABI into outputs that exist already. */
export function nativeContenders(
  queue: Queue,
  ops: readonly FusedOp[],
  data: BenchData,
  outputs: Outputs,
): Contender[] {
  return ops.flatMap((op) => {
    const opCase = new OpCase(op, data);
    return [
      opContender(queue, op, 'forward', opCase, outputs),
      opContender(queue, op, 'backward', opCase, outputs),
    ];
  });
}

/**
 * The yardsticks: a copy of a matrix into memory that has been touched, each way of copying.
 *
 * @param beside what the contenders that they are timed with run in
 */
export function copyContenders(
  queue: Queue,
  data: BenchData,
  outputs: Outputs,
  beside: Pick<RowIdentity, 'backend' | 'allocator'>,
): Contender[] {
  const x = data.matrix('x', data.shape.cols);
  return COPY_METHODS.map(([method, scalar]) => {
    const of = { ...identity('copy', 'copy', data, queue.device), ...beside, pass: 'copy', method } as const;
    return contender({ ...of, variant: 'copy' }, 2 * bytesOf(x), () => {
      const [out] = outputs.take([x]);
      const call = queue.prepare('copy', { inputs: [x], outputs: [out!], scalars: [scalar] });
      const verify = () =>
        Buffer.compare(viewOf(out!), viewOf(x)) === 0 ? undefined : 'the copy differs from x';
      return { call, written: [out!], verify };
    });
  });
}

/** A call that is ready, what it writes, and what is wrong with that. */
interface Ready {
  readonly call: PreparedCall;
  readonly written: readonly Values[];
  readonly verify: () => string | undefined;
}

function opContender(
  queue: Queue,
  op: FusedOp,
  pass: 'forward' | 'backward',
  opCase: OpCase,
  outputs: Outputs,
): Contender {
  const { data } = opCase;
  const { native, outputs: names } = pass === 'forward' ? forwardPass(op) : backwardPass(op);
  const of = { ...identity(op.name, labelOf(op.name), data, queue.device), pass };
  return contender(of, opCase.bytes(pass), () => {
    const expected = opCase.expected(pass);
    const written = outputs.take(expected);
    const inputs = pass === 'forward' ? opCase.inputs : [...opCase.inputs, opCase.dy];
    const scalars = Object.values(opCase.scalars);
    const call = queue.prepare(native, { inputs, outputs: written, scalars });
    const verify = () => {
      for (const [i, { data: stored, dtype }] of written.entries()) {
        const wrong = disagreement(decode(stored, dtype), expected[i]!, FUSED_BOUND);
        if (wrong !== undefined) return `${names[i]} ${wrong}`;
      }
      return undefined;
    };
    return { call, written, verify };
  });
}

function contender(identity: RowIdentity, bytes: number, prepare: () => Ready): Contender {
  let call: PreparedCall | undefined;
  return {
    identity,
    bytes,
    check: () => {
      const ready = prepare();
      for (const tensor of ready.written) viewOf(tensor).fill(0xff); // every element NaN
      ready.call.run();
      call = ready.call;
      return ready.verify();
    },
    run: () => call!.run(),
  };
}

function viewOf({ data: { buffer, byteOffset, byteLength } }: Values): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function identity(op: string, label: string, { shape, dtype }: BenchData, device: Device): RowIdentity {
  return { op, label, pass: 'forward', ...shape, dtype, device, backend: 'native', variant: 'fused' };
}
