import { afterEach, expect, test, vi } from 'vitest';
import { NO_FUSED_KERNELS, sayOnce } from '../../src/common/notice.js';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

test('a topic is said once, whoever speaks of it first', () => {
  vi.stubEnv('POLYCOM_QUIET', undefined);
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  sayOnce('the library has not been built', NO_FUSED_KERNELS);
  sayOnce("the backend 'tensorflow' has no fused kernels", NO_FUSED_KERNELS);
  sayOnce('something else');
  sayOnce('something else');
  expect(write.mock.calls.map(([text]) => text)).toEqual([
    'polycom: the library has not been built\n',
    'polycom: something else\n',
  ]);
});

test('POLYCOM_QUIET=1 silences it', () => {
  vi.stubEnv('POLYCOM_QUIET', '1');
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  sayOnce('nobody hears this');
  expect(write).not.toHaveBeenCalled();
});
