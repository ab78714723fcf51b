import { existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder, writeAside } from 'polycom/files';

/**
 * Writes a text, and its folder. A kill leaves the old content or the whole new one, but for a path that is no plain
 * file, such as /dev/stdout.
 *
 * @throws {PolycomError} `FILE_ERROR` where the system refuses
 */
export async function writeText(path: string, text: string): Promise<void> {
  makeFolder(dirname(path));
  if (existsSync(path) && !statSync(path).isFile()) return writeFileSync(path, text);
  await writeAside(path, (writer) => writer.write(Buffer.from(text)));
}
