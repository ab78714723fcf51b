import type { ViteUserConfig } from 'vitest/config';
import base from '../../../vitest.config.js';

// Vitest starts its workers with this, and hands them the tests' modules, which it reads and compiles itself.
process.execPath = process.env.POLYCOM_ARM64_NODE!;

const config: ViteUserConfig = {
  ...base,
  // Without PATH: no compilers, for what they make is for this machine's processor.
  test: { ...base.test, env: { PATH: '' }, maxWorkers: 1, reporters: ['json'] },
};

export default config;
