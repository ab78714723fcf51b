import type { Random } from './random.js';

/** A file's new content, and what was done to it. */
export interface Mutation {
  readonly content: Buffer;
  readonly what: string;
}

/** What stands where a value stood: some are no JSON, some are deeper than JSON.stringify can write. */
const TEXTS: readonly string[] = [
  ...[
    'null',
    'true',
    '-1',
    '0',
    '1',
    '1.5',
    '1e15',
    '2147483648',
    '4294967297',
    '1e300',
    '-1e-300',
    'NaN',
    'Infinity',
  ],
  ...[
    '""',
    '"x"',
    '"NaN"',
    '"\\u0000"',
    '"../x"',
    '"/dev/zero"',
    '"__proto__"',
    '[]',
    '{}',
    '[null]',
    '[[]]',
    '[-1]',
  ],
  ...['{"__proto__":1}', '{"toString":null}', '{"length":1e9}', '[1e15,1e15]', '"\\ud800"'],
  `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  `${'{"a":'.repeat(20_000)}0${'}'.repeat(20_000)}`,
  `"${'x'.repeat(1_000_000)}"`,
  `[${'0,'.repeat(200_000)}0]`,
];
const MARK = '@here@';

/** Damages bytes, whatever they are. */
export function damageBytes(content: Buffer, random: Random): Mutation {
  const at = random.below(Math.max(1, content.length));
  const copy = Buffer.from(content);
  switch (random.below(6)) {
    case 0:
      return { content: copy.subarray(0, at), what: `cut off at byte ${at}` };
    case 1:
      return { content: Buffer.concat([copy, copy.subarray(at)]), what: `its end again from byte ${at}` };
    case 2:
      return { content: copy.fill(0, at, Math.min(copy.length, at + 64)), what: `64 zeros at byte ${at}` };
    case 3:
      return {
        content: Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1)]),
        what: `without byte ${at}`,
      };
    default:
      for (let i = 0; i <= random.below(3); ++i) copy[random.below(copy.length)]! ^= 1 << random.below(8);
      return { content: copy, what: 'some bits turned' };
  }
}

/** Puts something else in the place of one value of a JSON text. */
export function damageJson(content: Buffer, random: Random): Mutation {
  const json: unknown = JSON.parse(content.toString());
  const [parent, key, path] = placeIn(json, random);
  if (parent === undefined) {
    const text = random.pick(TEXTS);
    return { content: Buffer.from(text), what: `all of it ${shown(text)}` };
  }
  if (random.below(8) === 0) {
    if (Array.isArray(parent)) parent.splice(Number(key), 1);
    else delete parent[key];
    return { content: Buffer.from(JSON.stringify(json)), what: `without ${path}` };
  }
  const text = random.pick(TEXTS);
  parent[key] = MARK;
  return {
    content: Buffer.from(JSON.stringify(json).replace(`"${MARK}"`, () => text)),
    what: `${path} = ${shown(text)}`,
  };
}

function shown(text: string): string {
  return text.length > 30 ? `${text.slice(0, 10)}… of ${text.length}` : text;
}

type Parent = Record<string, unknown> | undefined;

/** A place in a value, near its top more often than deep in it. */
function placeIn(json: unknown, random: Random): [parent: Parent, key: string, path: string] {
  let [parent, key, path]: [Parent, string, string] = [undefined, '', ''];
  for (let value = json; typeof value === 'object' && value !== null && random.below(8) > 0; ) {
    const keys = Object.keys(value);
    if (keys.length === 0) break;
    parent = value as Record<string, unknown>;
    key = random.pick(keys);
    path += `.${key.slice(0, 40)}`;
    value = parent[key];
  }
  return [parent, key, path];
}

/** Damages the header of a safetensors file, whose length is right then, or the length that it claims. */
export function damageHeader(content: Buffer, random: Random): Mutation {
  const length = Number(content.readBigUInt64LE());
  if (random.below(4) === 0) {
    const claim = random.pick([
      0n,
      1n,
      BigInt(length - 1),
      BigInt(length + 1),
      2n ** 31n,
      2n ** 53n,
      2n ** 64n - 1n,
    ]);
    const copy = Buffer.from(content);
    copy.writeBigUInt64LE(claim);
    return { content: copy, what: `a header of ${claim} bytes` };
  }
  const header = damageJson(content.subarray(8, 8 + length), random);
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(header.content.length));
  return { content: Buffer.concat([start, header.content, content.subarray(8 + length)]), what: header.what };
}
