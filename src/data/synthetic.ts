import { PolycomError } from '../common/errors.js';
import { checkFields, type Fields, oneOf, whole } from '../common/fields.js';
import { given } from '../common/objects.js';
import { uniform } from '../common/random.js';
import { checkRange, type Side, type TokenSource } from './shards.js';

/** What the synthetic language and its text are. */
export interface SyntheticOptions {
  /** Which language; 0. */
  readonly seed?: number;
  /** From 4 to 1024 tokens; 64. */
  readonly vocabulary?: number;
  /** Tokens of the text; 2^22. */
  readonly length?: number;
  /** Which text of the language: the two are independent; `train`. */
  readonly side?: Side;
}

const DEFAULTS: Required<SyntheticOptions> = { seed: 0, vocabulary: 64, length: 2 ** 22, side: 'train' };
const FIELDS: Fields<SyntheticOptions> = {
  seed: whole(0),
  vocabulary: whole(4, 1024),
  length: whole(1, 2 ** 32),
  side: oneOf('train', 'heldout'),
};

/** A text of the synthetic language. */
export interface SyntheticSource extends TokenSource {
  /** The entropy rate, in nats per token: no model's expected cross-entropy is lower. */
  readonly entropy: number;
  /** The probability of a token after the two before it. */
  probability(beforeLast: number, last: number, next: number): number;
}

/**
 * A random language of known entropy. A token is a class and a member of it: token t is member ⌊t / classes⌋ of class
 * t mod classes, with about as many classes as members. The next class follows from the last two classes (a grammar),
 * the next member from the next class and the last member (an agreement):
 *
 *   P(next | beforeLast, last) = grammar[class(beforeLast), class(last)][class(next)]
 *                              · agreement[class(next), member(last)][member(next)]
 *
 * so a model gains from looking one token back, and again from looking two back. Entropy rate, with p the stationary
 * distribution of (class before last, last token):
 *
 *   Σ p(a, x) · (H(grammar[a, class x]) + Σ_c grammar[a, class x][c] · H(agreement[c, member x]))
 *
 * The same options give the same text on every machine.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` where an option is out of range
 */
export function syntheticLanguage(options: SyntheticOptions = {}): SyntheticSource {
  const all = { ...DEFAULTS, ...given(options) };
  checkFields('syntheticLanguage', 'option', all, FIELDS);
  const { seed, vocabulary, length, side } = all;
  const language = makeLanguage(seed, vocabulary);
  const tokens = writeText(language, length, uniform(seed, side === 'train' ? 1 : 2));
  return {
    length,
    vocabulary,
    entropy: entropyRate(language),
    probability: (beforeLast, last, next) => {
      const { classes } = language;
      const ruled = language.grammar[(beforeLast % classes) * classes + (last % classes)]!;
      const agreed = language.agreement[agreementRow(language, next % classes, last)]!;
      return ruled[next % classes]! * agreed[Math.floor(next / classes)]!;
    },
    read(start, into) {
      checkRange(this, start, into.length);
      into.set(tokens.subarray(start, start + into.length));
    },
    close: () => undefined,
  };
}

interface Language {
  readonly vocabulary: number;
  readonly classes: number;
  /** Most members of a class: the last ones may have one fewer. */
  readonly members: number;
  /** Of the next class, by class before last · classes + last class. */
  readonly grammar: readonly Float64Array[];
  /** Of the next member, by next class · members + last member. */
  readonly agreement: readonly Float64Array[];
}

function makeLanguage(seed: number, vocabulary: number): Language {
  const next = uniform(seed, 0);
  const classes = Math.floor(Math.sqrt(vocabulary));
  const members = Math.ceil(vocabulary / classes);
  const grammar = Array.from({ length: classes * classes }, () => distribution(classes, next));
  const agreement = Array.from({ length: classes * members }, (_, row) => {
    const ofClass = Math.floor(row / members);
    return distribution(Math.ceil((vocabulary - ofClass) / classes), next);
  });
  return { vocabulary, classes, members, grammar, agreement };
}

/** A few likely outcomes, and a twentieth of all probability spread evenly: nothing is impossible. */
function distribution(count: number, next: () => number): Float64Array {
  const weights = Float64Array.from({ length: count }, () => {
    const square = next() ** 2;
    return square * square * square + 1e-9;
  });
  const sum = weights.reduce((total, weight) => total + weight);
  return weights.map((weight) => (0.95 * weight) / sum + 0.05 / count);
}

function agreementRow({ classes, members }: Language, nextClass: number, last: number): number {
  return nextClass * members + Math.floor(last / classes);
}

function writeText(language: Language, length: number, next: () => number): Uint16Array {
  const { classes, vocabulary, grammar, agreement } = language;
  const tokens = new Uint16Array(length);
  let beforeLast = Math.floor(next() * classes);
  let last = Math.floor(next() * vocabulary);
  // The first steps lead from an even start to the stationary distribution, and are not kept.
  for (let i = -256; i < length; ++i) {
    const lastClass = last % classes;
    const nextClass = sample(grammar[beforeLast * classes + lastClass]!, next());
    last = nextClass + classes * sample(agreement[agreementRow(language, nextClass, last)]!, next());
    beforeLast = lastClass;
    if (i >= 0) tokens[i] = last;
  }
  return tokens;
}

function sample(probabilities: Float64Array, point: number): number {
  let rest = point;
  for (let i = 0; i < probabilities.length - 1; ++i) {
    rest -= probabilities[i]!;
    if (rest < 0) return i;
  }
  return probabilities.length - 1;
}

function entropyRate(language: Language): number {
  const { classes, vocabulary, grammar, agreement } = language;
  const stationary = stationaryOf(language);
  const grammarEntropy = grammar.map(entropyOf);
  const agreementEntropy = agreement.map(entropyOf);
  let rate = 0;
  for (let a = 0; a < classes; ++a) {
    for (let x = 0; x < vocabulary; ++x) {
      const row = a * classes + (x % classes);
      let entropy = grammarEntropy[row]!;
      for (let c = 0; c < classes; ++c) {
        entropy += grammar[row]![c]! * agreementEntropy[agreementRow(language, c, x)]!;
      }
      rate += stationary[a * vocabulary + x]! * entropy;
    }
  }
  return rate;
}

function entropyOf(probabilities: Float64Array): number {
  return probabilities.reduce((sum, p) => sum - p * Math.log(p), 0);
}

/** The stationary distribution of (class before last, last token), by power iteration: it mixes within a few steps. */
function stationaryOf(language: Language): Float64Array {
  const { classes, vocabulary } = language;
  let current = new Float64Array(classes * vocabulary).fill(1 / (classes * vocabulary));
  for (let step = 0; step < 10_000; ++step) {
    const following = advance(language, current);
    const change = following.reduce((sum, p, i) => sum + Math.abs(p - current[i]!), 0);
    current = following;
    if (change < 1e-13) return current;
  }
  throw new PolycomError('INTERNAL', 'the synthetic language has no stationary distribution');
}

function advance(language: Language, current: Float64Array): Float64Array<ArrayBuffer> {
  const { classes, vocabulary, grammar, agreement } = language;
  const following = new Float64Array(classes * vocabulary);
  for (let x = 0; x < vocabulary; ++x) {
    const lastClass = x % classes;
    for (let c = 0; c < classes; ++c) {
      let weight = 0;
      for (let a = 0; a < classes; ++a) {
        weight += current[a * vocabulary + x]! * grammar[a * classes + lastClass]![c]!;
      }
      const row = agreement[agreementRow(language, c, x)]!;
      for (let m = 0; m < row.length; ++m)
        following[lastClass * vocabulary + c + m * classes]! += weight * row[m]!;
    }
  }
  return following;
}
