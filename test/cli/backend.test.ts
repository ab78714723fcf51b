import { expect, test, vi } from 'vitest';
import { chooseBackend } from '../../src/tensorflow/backend.js';

vi.mock('@tensorflow/tfjs-backend-cpu', () => {
  throw new Error('not found');
});

test('a backend that is asked for and not installed has a remedy', async () => {
  await expect(chooseBackend('cpu')).rejects.toMatchObject({
    code: 'TENSORFLOW_NOT_FOUND',
    message: expect.stringContaining('@tensorflow/tfjs-backend-cpu is not installed'),
    remedy: 'npm install @tensorflow/tfjs-backend-cpu@4.22.0',
  });
});
