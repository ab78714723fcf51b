import { readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { compileProgress } from '../../src/cli/compile-progress.js';
import { packageFolder } from '../../src/common/package.js';
import {
  aboutSeconds,
  type BuildProgress,
  estimatedSeconds,
  followBuild,
} from '../../src/native/build-progress.js';
import { builtFrom } from '../../src/native/recipe.js';
import { able, QuickBuilds } from './build-harness.js';

const MINUTES = 60_000;
const builds = new QuickBuilds();
const { shop } = builds;
afterAll(() => shop.remove());

describe.skipIf(!able)('polycom build', () => {
  beforeEach(() => builds.reset());

  test(
    'says how long it takes, and nothing of what cmake says to itself; CXX may be several words',
    async () => {
      const { status, stdout, stderr } = await builds.start().ended;
      expect(status, stderr).toBe(0);
      expect(stdout).toMatch(/^built .*libpolycom\.so in \d+ s\nit holds CPU kernels\n$/);
      expect(stderr).toMatch(/^compiling libpolycom .* \(CPU kernels\) into .*: about .* on \d+ CPUs?\n/);
      expect(stderr.split('\n').filter((line) => !/^(compiling.*)?$/.test(line))).toEqual([]);
      expect(builds.stored()).toHaveLength(1);
    },
    3 * MINUTES,
  );

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGKILL', null],
  ] as const)(
    'ended by %s, goes on where it was',
    async (name, status) => {
      shop.write('hold', '');
      const { child, ended } = builds.start();
      await builds.until(20);
      child.kill(name);
      const broken = await ended;
      expect(broken.status).toBe(status);
      if (name !== 'SIGKILL') expect(broken.stderr).toMatch(/is kept; the same command goes on from there/);
      rmSync(shop.path('hold'));
      const before = new Set(builds.compiled());
      expect(before.size).toBeGreaterThanOrEqual(20);
      const second = await builds.start().ended;
      expect(second.status, second.stderr).toBe(0);
      expect(second.stderr).toMatch(/what is compiled already is kept/);
      const all = builds.compiled();
      expect(all.length).toBeGreaterThan(60);
      // Ninja dies of what it cannot print any more, before it notes the file that a compiler was at.
      const again = name === 'SIGKILL' ? availableParallelism() : 0;
      expect(all.length - new Set(all).size).toBeLessThanOrEqual(again);
      expect(builds.stored()).toHaveLength(1);
    },
    3 * MINUTES,
  );

  test(
    'lets two at once share the work',
    async () => {
      const both = await Promise.all([builds.start().ended, builds.start().ended]);
      expect(both.map(({ status }) => status)).toEqual([0, 0]);
      expect(both.map(({ stdout }) => /^built/.test(stdout)).sort()).toEqual([false, true]);
      expect(new Set(builds.compiled()).size).toBe(builds.compiled().length);
      expect(builds.stored()).toHaveLength(1);
    },
    3 * MINUTES,
  );

  test(
    'shows the first error, and a remedy that was not given already',
    async () => {
      shop.write('fail', '');
      const { status, stderr } = await builds.start().ended;
      expect(status).toBe(1);
      expect(stderr).toMatch(/does not compile:\n.*error: not to the taste/);
      expect(stderr).toMatch(/remedy: .*CXX/);
      expect(stderr).not.toMatch(/--no-cuda/);
    },
    3 * MINUTES,
  );

  test.each([
    ['__GNUC__', 10, 'g++ 10; expected g++ 11 or newer'],
    ['__clang_major__', 13, 'clang 13; expected clang 14 or newer'],
  ])('takes no compiler whose %s is %i', async (macro, version, complaint) => {
    const old = shop.write('old.sh', `echo 'old 1.2.3'; echo '#define ${macro} ${version}'`);
    const { status, stderr } = await builds.start({ CXX: `bash ${old}` }).ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(complaint);
    expect(stderr).not.toMatch(/^compiling/m);
  });

  test('takes no cmake older than 3.22', async () => {
    shop.write('cmake', '#!/bin/sh\necho cmake version 3.21.7\n', 0o755);
    const { status, stderr } = await builds.start({ PATH: `${shop.folder}:${process.env.PATH}` }).ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/cmake is 3\.21\.7; expected 3\.22 or newer/);
  });
});

describe('the progress of a build', () => {
  test.each([
    ['ninja', (n: number) => `[${n}/4] Building CXX object a${n}.o\n`, '1 of 4', '3 of 4'],
    ['make', (n: number) => `[ ${n * 25}%] Building CXX object a${n}.o\n`, '25 %', '75 %'],
  ])('is read from what %s prints, in pieces', (_, line, first, third) => {
    const seen: BuildProgress[] = [];
    let time = 0;
    const follow = followBuild(
      (progress) => seen.push(progress),
      () => time,
    );
    const text = `[0/1] Re-checking globbed directories...\n${line(1)}a warning\n${line(2)}${line(3)}`;
    for (const piece of text.match(/[\s\S]{1,7}/g)!) {
      follow(piece);
      time = 1000 * seen.length;
    }
    expect(seen).toHaveLength(3);
    expect(seen[0]).toEqual({ done: first, share: 0.25 });
    expect(seen[2]).toMatchObject({ done: third, share: 0.75, secondsLeft: 1 });
  });

  test('is a line now and then where there is no terminal, and one that rewrites itself on one', () => {
    for (const isTTY of [false, true]) {
      let [text, time] = ['', 0];
      const shown = compileProgress({ isTTY, write: (more: string) => (text += more) }, () => time);
      for (let i = 1; i <= 90; i++) {
        time = i * 1000;
        shown.onProgress({ done: `${i} of 90`, share: i / 90, secondsLeft: 90 - i });
      }
      shown.end();
      if (isTTY) expect(text.split('\n')).toHaveLength(1);
      else expect(text).toMatch(/^(compiling: \d+ of 90 done, about \d:\d\d left\n){4}$/);
      expect(text).toContain('40 of 90 done, about 0:50 left');
    }
  });

  test('is estimated by CPUs, CUDA and the number of architectures', () => {
    const alone = estimatedSeconds(undefined, 1);
    expect(estimatedSeconds(undefined, 4)).toBe(alone / 4);
    const [one, two] = [estimatedSeconds('90-real', 1), estimatedSeconds('80-real;90-real', 1)];
    expect(one).toBeGreaterThan(alone);
    expect(estimatedSeconds('all', 1)).toBeCloseTo(one + 6 * (two - one));
    expect([12, 55, 80, 200].map(aboutSeconds)).toEqual([
      'about 20 seconds',
      'about a minute',
      'about a minute',
      'about 3 minutes',
    ]);
  });
});

test('a build reads of package.json its version and the version of the Node-API', () => {
  const document = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  const changed = (part: object): string => builtFrom(JSON.stringify({ ...document, ...part }));
  const before = changed({});
  expect(changed({ dependencies: {}, scripts: {}, description: 'another' })).toBe(before);
  expect(changed({ version: '9.9.9' })).not.toBe(before);
  expect(changed({ binary: { napi_versions: [9] } })).not.toBe(before);
});
