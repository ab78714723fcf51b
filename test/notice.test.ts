import { afterEach, expect, test, vi } from 'vitest';
import { notFusedOn, sayOnce } from '../src/notice.js';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

test('a topic is said once, whoever speaks of it first', () => {
  vi.stubEnv('POLYCOM_QUIET', undefined);
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  sayOnce('the library has not been built', notFusedOn('tensorflow'));
  sayOnce("the backend 'tensorflow' has no fused kernels", notFusedOn('tensorflow'));
  sayOnce("the backend 'cpu' has no fused kernels", notFusedOn('cpu'));
  sayOnce('something else');
  sayOnce('something else');
  expect(write.mock.calls.map(([text]) => text)).toEqual([
    'polycom: the library has not been built\n',
    "polycom: the backend 'cpu' has no fused kernels\n",
    'polycom: something else\n',
  ]);
});

test('POLYCOM_QUIET=1 silences it', () => {
  vi.stubEnv('POLYCOM_QUIET', '1');
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  sayOnce('nobody hears this');
  expect(write).not.toHaveBeenCalled();
});
