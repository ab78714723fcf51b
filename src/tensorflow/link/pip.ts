import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandResult, lastLines, runCommand } from '../../common/command.js';
import { PolycomError } from '../../common/errors.js';

/**
 * Fetches the wheel of a requirement with pip, and nothing that it depends on.
 *
 * @param file the wheel's name, if it is known
 * @returns its path
 * @throws {PolycomError} `TENSORFLOW_NOT_FOUND` without python3 or pip, or with pip's last lines
 */
export async function downloadWheel(requirement: string, folder: string, file?: string): Promise<string> {
  const options = ['--no-deps', '--only-binary=:all:', '--no-cache-dir', '--disable-pip-version-check'];
  const platform = ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311', '--abi', 'none'];
  const args = ['-m', 'pip', 'download', ...options, '--no-input', '--progress-bar', 'off', ...platform];
  const systems = ['2_28', '2_27', '2_17', '2014'].flatMap((version) => {
    const name = version === '2014' ? 'manylinux2014_x86_64' : `manylinux_${version}_x86_64`;
    return ['--platform', name];
  });
  const target = [...systems, '--dest', folder, requirement];
  const result = await runCommand('python3', [...args, ...target], { ...process.env, TMPDIR: folder });
  if (result.missing) throw noPython();
  if (result.stderr.includes('No module named pip')) throw noPip();
  const name = file ?? (await readdir(folder)).find((entry) => entry.endsWith('.whl'));
  if (result.status === 0 && name !== undefined && existsSync(join(folder, name))) return join(folder, name);
  const bring =
    file === undefined
      ? "install it where pip does, pip install 'tensorflow[and-cuda]', and run: npx polycom tf-link --tensorflow <site-packages>"
      : `bring a wheel from another machine (${file}) and run: npx polycom tf-link --tensorflow <file.whl>`;
  throw new PolycomError(
    'TENSORFLOW_NOT_FOUND',
    `pip could not fetch ${requirement}:\n${lastLines(result)}`,
    {
      remedy: `let pip reach its package index (proxy: HTTPS_PROXY; mirror: PIP_INDEX_URL), or ${bring}`,
    },
  );
}

/** Python's own zip reader, because it is there wherever pip is, and checks each file's CRC. */
const EXTRACT = `
import fnmatch, os, posixpath, re, shutil, sys, zipfile
wheel, folder, dropped, root, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
headers, wanted = [root + h for h in sys.argv[6:6 + count]], sys.argv[6 + count:]
with zipfile.ZipFile(wheel) as archive:
    names = [name for name in archive.namelist() if not name.endswith('/') and '..' not in name]
    known, reached = set(names), set()
    while headers:
        name = headers.pop()
        if name not in known or name in reached:
            continue
        reached.add(name)
        for found in re.findall(rb'^\\s*#\\s*include\\s*[<"]([^>"]+)', archive.read(name), re.M):
            for base in (root, posixpath.dirname(name)):
                headers.append(posixpath.normpath(posixpath.join(base, found.decode())))
    for name in names:
        if name not in reached and not any(fnmatch.fnmatchcase(name, w) for w in wanted):
            continue
        inside = name.split('/', dropped)[dropped]
        path = os.path.join(folder, inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with archive.open(name) as source, open(path, 'wb') as target:
            shutil.copyfileobj(source, target, 1 << 20)
`;

/**
 * Unpacks of a wheel what fits patterns.
 *
 * @param dropped how many folders of each name are left out
 * @param headers C++ headers, below a folder that is their root: they are unpacked too, with all that they include from there
 */
export async function unpackInto(
  wheel: string,
  folder: string,
  wanted: readonly string[],
  dropped: number,
  { root, names }: { readonly root: string; readonly names: readonly string[] } = { root: '', names: [] },
): Promise<CommandResult> {
  const given = [wheel, folder, String(dropped), root, String(names.length), ...names, ...wanted];
  const result = await runCommand('python3', ['-c', EXTRACT, ...given]);
  if (result.missing) throw noPython();
  return result;
}

function noPython(): PolycomError {
  return new PolycomError(
    'TENSORFLOW_NOT_FOUND',
    'python3 was not found: it fetches and unpacks TensorFlow',
    {
      remedy:
        'install Python 3 with pip (Debian, Ubuntu: apt install python3-pip), or name a folder with the ' +
        'libraries: npx polycom tf-link --tensorflow <folder>',
    },
  );
}

function noPip(): PolycomError {
  return new PolycomError('TENSORFLOW_NOT_FOUND', 'python3 has no pip', {
    remedy: 'apt install python3-pip, or: python3 -m ensurepip --user',
  });
}
