import { type ActivationReference, referenceOf } from 'polycom';
import { uniform } from 'polycom/data';

/** A network of one hidden layer, as a feed-forward block has it: down · f(up · x + b) + c, all of it trained, in f64. */
export class Perceptron {
  readonly activation: string;
  readonly inputs: number;
  readonly hidden: number;
  /** Every parameter, by name; a gated activation has a second projection. */
  readonly parameters: Readonly<Record<string, Float64Array>>;
  readonly #reference: ActivationReference;

  /**
   * @param activation a row of the table
   * @param hidden the width of an ungated network; a gated one gets the width that gives it as many parameters
   */
  constructor(activation: string, inputs: number, hidden: number, seed: number) {
    const reference = referenceOf(activation);
    const projections = reference.inputs.filter((name) => !COEFFICIENTS.includes(name));
    const gated = projections.length > 1;
    this.activation = activation;
    this.inputs = inputs;
    this.hidden = gated ? Math.round((hidden * (inputs + 2)) / (2 * inputs + 3)) : hidden;
    this.#reference = reference;
    const next = uniform(seed, inputs, hidden);
    const draw = (count: number, scale: number): Float64Array =>
      Float64Array.from({ length: count }, () => scale * (2 * next() - 1));
    const parameters: Record<string, Float64Array> = { down: draw(this.hidden, Math.sqrt(3 / this.hidden)) };
    parameters.offset = new Float64Array(1);
    for (const name of projections) {
      parameters[`${name}.weight`] = draw(this.hidden * inputs, Math.sqrt(6 / inputs));
      parameters[`${name}.bias`] = draw(this.hidden, 1);
    }
    if (reference.inputs.includes('weight')) {
      parameters.weight = new Float64Array(ORDER).fill(1 / ORDER);
      parameters.bias = new Float64Array(1);
    }
    this.parameters = parameters;
  }

  /** How many numbers are trained. */
  get size(): number {
    return Object.values(this.parameters).reduce((sum, { length }) => sum + length, 0);
  }

  /** The outputs at points [rows × inputs], row-major. */
  forward(points: Float64Array): Float64Array {
    return this.#down(this.#activate(this.#tensors(points)), points.length / this.inputs);
  }

  /** The mean squared error at points, and its gradient by every parameter. */
  gradients(points: Float64Array, targets: Float64Array): { loss: number; of: Record<string, Float64Array> } {
    const [rows, { hidden, inputs }] = [targets.length, this];
    const tensors = this.#tensors(points);
    const y = this.#activate(tensors);
    const errors = this.#down(y, rows).map((output, r) => output - targets[r]!);
    const down = this.parameters.down!;
    const dy = new Float64Array(rows * hidden);
    const of: Record<string, Float64Array> = {
      down: new Float64Array(hidden),
      offset: new Float64Array(1),
    };
    let loss = 0;
    for (let r = 0; r < rows; ++r) {
      loss += errors[r]! ** 2 / rows;
      const g = (2 * errors[r]!) / rows;
      of.offset![0]! += g;
      for (let j = 0; j < hidden; ++j) {
        of.down![j]! += g * y[r * hidden + j]!;
        dy[r * hidden + j] = g * down[j]!;
      }
    }
    const gradients = this.#reference.backward(tensors, hidden, dy);
    for (const [name, gradient] of Object.entries(gradients)) {
      if (COEFFICIENTS.includes(name)) {
        of[name] = gradient;
        continue;
      }
      const [weight, bias] = [new Float64Array(hidden * inputs), new Float64Array(hidden)];
      for (let r = 0; r < rows; ++r) {
        for (let j = 0; j < hidden; ++j) {
          const d = gradient[r * hidden + j]!;
          bias[j]! += d;
          for (let k = 0; k < inputs; ++k) weight[j * inputs + k]! += d * points[r * inputs + k]!;
        }
      }
      of[`${name}.weight`] = weight;
      of[`${name}.bias`] = bias;
    }
    return { loss, of };
  }

  #tensors(points: Float64Array): Record<string, Float64Array> {
    const tensors: Record<string, Float64Array> = {};
    for (const name of this.#reference.inputs) {
      tensors[name] = COEFFICIENTS.includes(name) ? this.parameters[name]! : this.#project(name, points);
    }
    return tensors;
  }

  #project(name: string, points: Float64Array): Float64Array {
    const { hidden, inputs } = this;
    const [weight, bias] = [this.parameters[`${name}.weight`]!, this.parameters[`${name}.bias`]!];
    const rows = points.length / inputs;
    const projected = new Float64Array(rows * hidden);
    for (let r = 0; r < rows; ++r) {
      for (let j = 0; j < hidden; ++j) {
        let sum = bias[j]!;
        for (let k = 0; k < inputs; ++k) sum += weight[j * inputs + k]! * points[r * inputs + k]!;
        projected[r * hidden + j] = sum;
      }
    }
    return projected;
  }

  #activate(tensors: Record<string, Float64Array>): Float64Array {
    return this.#reference.forward(tensors, this.hidden);
  }

  #down(y: Float64Array, rows: number): Float64Array {
    const { hidden } = this;
    const [down, offset] = [this.parameters.down!, this.parameters.offset![0]!];
    return Float64Array.from({ length: rows }, (_, r) => {
      let sum = offset;
      for (let j = 0; j < hidden; ++j) sum += down[j]! * y[r * hidden + j]!;
      return sum;
    });
  }
}

/** An activation's inputs that are trained themselves, and begin as the paper's: 1 / order, and 0. */
const COEFFICIENTS = ['weight', 'bias'];
const ORDER = 3;

/** Adam of the whole batch (Kingma and Ba 2015), the rate falling to 0 as a half cosine. */
export function train(
  network: Perceptron,
  points: Float64Array,
  targets: Float64Array,
  { steps, rate }: { readonly steps: number; readonly rate: number },
): number {
  const [beta1, beta2, epsilon] = [0.9, 0.99, 1e-8];
  const moments = new Map(
    Object.entries(network.parameters).map(([name, { length }]) => [
      name,
      [new Float64Array(length), new Float64Array(length)] as const,
    ]),
  );
  let last = Number.NaN;
  for (let t = 1; t <= steps; ++t) {
    const { loss, of } = network.gradients(points, targets);
    last = loss;
    const now = (rate / 2) * (1 + Math.cos((Math.PI * (t - 1)) / steps));
    for (const [name, values] of Object.entries(network.parameters)) {
      const [m, v] = moments.get(name)!;
      for (const [i, g] of of[name]!.entries()) {
        m[i] = beta1 * m[i]! + (1 - beta1) * g;
        v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
        values[i]! -= (now * m[i]!) / (1 - beta1 ** t) / (Math.sqrt(v[i]! / (1 - beta2 ** t)) + epsilon);
      }
    }
  }
  return last;
}
