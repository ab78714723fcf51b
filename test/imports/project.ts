import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageFolder } from '../../src/common/package.js';

/** A folder of modules that has TensorFlow.js and this package, by its name, through its exports, compiled. */
export class Project {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'polycom-imports-'));

  constructor({ installed = true }: { readonly installed?: boolean } = {}) {
    const modules = join(this.folder, 'node_modules');
    mkdirSync(modules);
    if (installed) symlinkSync(packageFolder, join(modules, 'polycom'));
    for (const name of ['@tensorflow', 'koffi']) {
      symlinkSync(join(packageFolder, 'node_modules', name), join(modules, name));
    }
  }

  /** Writes a file; returns its path. */
  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}
