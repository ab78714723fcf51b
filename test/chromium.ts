import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type CommandResult, runCommand } from '../src/common/command.js';

/** The browser of this machine; none where there is none. */
export async function findChromium(): Promise<string | undefined> {
  for (const program of ['chromium', 'chromium-browser', 'google-chrome']) {
    if ((await runCommand(program, ['--version'])).status === 0) return program;
  }
  return undefined;
}

/** Opens a page without a screen; its DOM, once its scripts have run, is on stdout. */
export function openPage(chromium: string, page: string, folder: string): Promise<CommandResult> {
  return runCommand(chromium, [
    '--headless',
    '--no-sandbox',
    '--disable-gpu-sandbox',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    '--disable-background-networking',
    '--allow-file-access-from-files',
    `--user-data-dir=${join(folder, 'profile')}`,
    '--dump-dom',
    pathToFileURL(page).href,
  ]);
}
