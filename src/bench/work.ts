import { decode, type Stored } from '../native/dtype.js';
import { type Op, passesOf } from '../op/types.js';
import { bytesOf, disagreement, FUSED_BOUND, OpCase, passesOfTraffic } from './check.js';
import type { BenchData, BenchTensor } from './data.js';
import type { BenchDevice, OpPass, RowIdentity, Yardstick } from './types.js';

/** A call of the C library that is measured, before it is said where its tensors lie. */
export interface Work {
  readonly identity: RowIdentity;
  /** The bytes that it cannot avoid moving. */
  readonly bytes: number;
  /** The C function, without its `pc_`. */
  readonly native: string;
  readonly scalars: readonly number[];
  /** Made when they are asked for, as they may be large. */
  inputs(): readonly BenchTensor[];
  outputs(): readonly Pick<BenchTensor, 'shape' | 'dtype'>[];
  /** What is wrong with the outputs, if anything is. */
  wrong(outputs: readonly Stored[]): string | undefined;
}

/** Every op's two passes. */
export function opWorks(ops: readonly Op[], data: BenchData, device: BenchDevice): Work[] {
  return ops.flatMap((op) => {
    const opCase = new OpCase(op, data);
    return [opWork(op, 'forward', opCase, device), opWork(op, 'backward', opCase, device)];
  });
}

function opWork(
  op: Op,
  pass: Exclude<OpPass, 'forward_backward'>,
  opCase: OpCase,
  device: BenchDevice,
): Work {
  const { data } = opCase;
  const { native, outputs: names } = passesOf(op)[pass === 'forward' ? 0 : 1];
  const { name, label } = op;
  const place = { ...data.shape, dtype: data.dtype, device, backend: 'native' } as const;
  return {
    identity: { op: name, label, pass, ...place, variant: 'fused', traffic: opCase.traffic(pass) },
    bytes: opCase.bytes(pass),
    native,
    scalars: Object.values(opCase.scalars),
    inputs: () => (pass === 'forward' ? opCase.inputs : [...opCase.inputs, opCase.dy]),
    outputs: () => opCase.expected(pass),
    wrong: (outputs) => {
      for (const [i, expected] of opCase.expected(pass).entries()) {
        const wrong = disagreement(decode(outputs[i]!, expected.dtype), expected, FUSED_BOUND);
        if (wrong !== undefined) return `${names[i]} ${wrong}`;
      }
      return undefined;
    },
  };
}

/** The ways of storing that a yardstick is tried with, by the device: the fastest is kept. */
const COPY_METHODS = {
  cpu: [
    ['memcpy', 1],
    ['streaming stores', 2],
  ],
  gpu: [['device to device', 0]],
} as const;
const STREAM_METHODS = [
  ['ordinary stores', 1],
  ['streaming stores', 2],
] as const;

/**
 * The yardsticks: a copy of a matrix, and streams with as many reads and writes as the passes of others, into memory
 * that has been touched, each way of storing.
 *
 * @param beside what the contenders that they are timed with run in
 * @param traffics those that the others' rows have
 */
export function yardstickWorks(
  data: BenchData,
  beside: Pick<RowIdentity, 'device' | 'backend' | 'allocator'>,
  traffics: readonly (string | undefined)[],
): Work[] {
  const single = new Set(traffics.flatMap(passesOfTraffic));
  const copies = COPY_METHODS[beside.device === 'cpu' ? 'cpu' : 'gpu'];
  return [
    ...copies.map(([method, scalar]) => yardstick('copy', '1:1', data, beside, method, scalar)),
    ...[...single]
      .sort()
      .flatMap((traffic) =>
        STREAM_METHODS.map(([method, scalar]) => yardstick('stream', traffic, data, beside, method, scalar)),
      ),
  ];
}

function yardstick(
  native: Yardstick,
  traffic: string,
  data: BenchData,
  beside: Pick<RowIdentity, 'device' | 'backend' | 'allocator'>,
  method: string,
  scalar: number,
): Work {
  const { shape, dtype } = data;
  const [reads, writes] = traffic.split(':').map(Number) as [number, number];
  const op = native === 'copy' ? 'copy' : `stream ${traffic}`;
  const inputs = () => ['x', 'dy', 'up'].slice(0, reads).map((name) => data.matrix(name, shape.cols));
  const matrix = { shape: [shape.rows, shape.cols], dtype };
  const identity = { op, label: op, pass: native, ...shape, dtype, ...beside, variant: native } as const;
  return {
    identity: { ...identity, method, traffic },
    bytes: (reads + writes) * bytesOf(matrix),
    native,
    scalars: [scalar],
    inputs,
    outputs: () => new Array(writes).fill(matrix),
    wrong: (outputs) => (isMix(inputs(), outputs) ? undefined : `the ${native} differs from its inputs`),
  };
}

/** Whether every output is the exclusive or of the inputs' bits. */
function isMix(inputs: readonly BenchTensor[], outputs: readonly Stored[]): boolean {
  const read = inputs.map(({ data }) => halves(data));
  const wanted = read[0]!.slice();
  for (const more of read.slice(1)) for (let i = 0; i < wanted.length; ++i) wanted[i]! ^= more[i]!;
  const bytes = new Uint8Array(wanted.buffer);
  return outputs.every((output) => Buffer.compare(bytesView(output), bytes) === 0);
}

function halves({ buffer, byteOffset, byteLength }: Stored): Uint16Array<ArrayBuffer> {
  return new Uint16Array(buffer as ArrayBuffer, byteOffset, byteLength / 2);
}

/** The bytes of an array. */
export function bytesView({ buffer, byteOffset, byteLength }: Stored): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
