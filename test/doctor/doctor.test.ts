import { delimiter } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { packageVersion } from '../../src/common/package.js';
import type { DoctorDocument, Finding } from '../../src/doctor/types.js';
import { compiler, type Ended, NO_TENSORFLOW, polycom, Workshop } from '../cli/harness.js';
import { native } from '../native/harness.js';

const workshop = new Workshop();
afterAll(() => workshop.remove());
const names = activationRows.map(({ name }) => name);

function doctor(args: readonly string[], env: NodeJS.ProcessEnv = NO_TENSORFLOW) {
  const ended = polycom(['doctor', '--json', ...args], env);
  return { ...ended, document: documentOf(ended) };
}

function documentOf({ stdout, stderr }: Ended): DoctorDocument {
  expect(stdout.trim().split('\n'), stderr).toHaveLength(1);
  return JSON.parse(stdout) as DoctorDocument;
}

function findings({ sections }: DoctorDocument, mark: Finding['mark']): Finding[] {
  return sections.flatMap((section) => section.findings).filter((finding) => finding.mark === mark);
}

describe('polycom doctor', () => {
  test('says what there is, as one JSON document', () => {
    const { document, status } = doctor([], {});
    expect(document.schema).toBe(1);
    expect(document.package.version).toBe(packageVersion);
    expect(document.package.koffi).toMatch(/^\d+\.\d+\.\d+$/);
    expect(document.system.node).toBe(process.versions.node);
    expect(document.tools.map(({ name }) => name)).toEqual(['cmake', 'compiler', 'make', 'nvcc', 'pip']);
    expect(document.sections.map(({ title }) => title)).toHaveLength(6);
    for (const { remedy, value } of findings(document, 'absent')) expect(remedy ?? value).not.toBe('');
    expect(document.ok).toBe(findings(document, 'broken').length === 0);
    expect(status).toBe(document.ok ? 0 : 1);
    for (const { results } of document.smoke) {
      expect(results.map(({ op }) => op)).toEqual(expect.arrayContaining(names));
      expect(results.every(({ ok }) => ok)).toBe(true);
    }
    if (document.tensorflow.state === 'loaded' && document.tensorflow.fused) {
      for (const name of names) expect(document.tensorflow.registered[name]).toContain('tensorflow');
      expect(document.smoke.map(({ backend }) => backend)).toContain('tensorflow');
    }
  });

  test.skipIf(native === undefined)('says what the native library is', () => {
    const { document } = doctor([]);
    expect(document.native).toMatchObject({ state: 'loaded', path: native!.path, build: native!.build });
    expect(document.native).toHaveProperty('devices.cpu', 1);
    expect(document.smoke.map(({ backend, device }) => [backend, device])).toContainEqual(['native', 'cpu']);
  });

  test('takes a missing tfjs-node as normal, unless it is asked for', () => {
    const { document } = doctor([]);
    expect(document.tensorflow.state).toBe('absent');
    expect(findings(document, 'absent').map(({ label }) => label)).toContain('TensorFlow');
    const asked = doctor(['--backend', 'tensorflow']);
    expect(asked.status).toBe(1);
    const broken = findings(asked.document, 'broken').find(({ label }) => label === 'TensorFlow');
    expect(broken?.remedy).toMatch(/npm install/);
  });

  test('takes a file that is no library as broken', () => {
    const path = workshop.write('text.so', 'not a library');
    const { document, status } = doctor([], { ...NO_TENSORFLOW, POLYCOM_LIBRARY: path });
    expect(status).toBe(1);
    expect(document.native).toMatchObject({
      state: 'broken',
      remedy: expect.stringMatching(/POLYCOM_LIBRARY/),
    });
    expect(document.smoke).toEqual([]);
    expect(findings(document, 'broken').map(({ label }) => label)).toEqual(['library']);
  });

  test.skipIf(!compiler)('outlives a library that crashes', () => {
    const path = workshop.atLoad('crash', 'return *(volatile int*)1;');
    const { document, status } = doctor([], { ...NO_TENSORFLOW, POLYCOM_LIBRARY: path });
    expect(status).toBe(1);
    expect(document.native).toMatchObject({
      state: 'broken',
      reason: expect.stringMatching(/crash\.so.*SIGSEGV/),
    });
    expect(document.tools).toHaveLength(5);
  });

  test.skipIf(!compiler)('outlives a library that hangs', () => {
    const path = workshop.atLoad('hang', 'for (;;) pause();');
    const env = { ...NO_TENSORFLOW, POLYCOM_LIBRARY: path };
    const { document, status } = doctor(['--timeout', '5'], env);
    expect(status).toBe(1);
    expect(document.native).toMatchObject({
      state: 'broken',
      reason: expect.stringMatching(/no answer for 5 s/),
    });
  });

  test.skipIf(!compiler)('notices results that are wrong', () => {
    const { document, status } = doctor([], { ...NO_TENSORFLOW, POLYCOM_LIBRARY: workshop.library('wrong') });
    expect(status).toBe(1);
    expect(document.native.state).toBe('loaded');
    const wrong = findings(document, 'broken');
    for (const name of names) expect(wrong.some(({ value }) => value.startsWith(`${name}, `))).toBe(true);
    expect(wrong[0]?.remedy).toMatch(/polycom build/);
  });

  test('says that the cache cannot be written, and goes on', () => {
    const POLYCOM_CACHE = workshop.path('text.so/cache');
    workshop.write('text.so', 'a file');
    const { document } = doctor([], { ...NO_TENSORFLOW, POLYCOM_CACHE });
    const finding = findings(document, 'absent').find(({ label }) => label === 'cache');
    expect(finding?.value).toContain(`cannot write ${POLYCOM_CACHE}: ${workshop.path('text.so')} is a file`);
    expect(finding?.remedy).toContain('POLYCOM_CACHE');
    const fine = doctor([], { ...NO_TENSORFLOW, POLYCOM_CACHE: workshop.path('new') }).document;
    expect(fine.cache).toMatchObject({ folder: workshop.path('new'), free_gb: expect.any(Number) });
    expect(findings(fine, 'absent').map(({ label }) => label)).not.toContain('cache');
  });

  test('fails where a GPU is asked for and there is none, and says what to do', ({ skip }) => {
    if ((native?.deviceCount('cuda') ?? 0) > 0) skip('there is a GPU');
    const { document, status } = doctor(['--device', 'cuda']);
    expect(status).toBe(1);
    const broken = findings(document, 'broken').find(({ label }) => label === 'usable');
    expect(broken?.remedy).toMatch(/driver|polycom build/);
    expect(doctor([]).document.sections[2]?.findings.every(({ mark }) => mark !== 'broken')).toBe(true);
  });

  test.skipIf(!compiler)('reads what nvidia-smi says, and notices a GPU without kernels', () => {
    const smi =
      '#!/bin/sh\necho "580.1, 9.0, 81559, NVIDIA H100"\necho "580.1, 2.1, 1024, NVIDIA Old, rare"\n';
    workshop.write('nvidia-smi', smi, 0o755);
    const PATH = `${workshop.folder}${delimiter}${process.env.PATH}`;
    const { document } = doctor([], { ...NO_TENSORFLOW, PATH });
    expect(document.gpu).toEqual({
      driver: '580.1',
      gpus: [
        { name: 'NVIDIA H100', compute_capability: '9.0', memory_mib: 81559 },
        { name: 'NVIDIA Old, rare', compute_capability: '2.1', memory_mib: 1024 },
      ],
    });
    if (native?.build.cuda) {
      const remedies = findings(document, 'absent').map(({ remedy }) => remedy);
      expect(remedies).toContain('they need 7.5 or newer; use --device cpu');
    }
  });

  test('prints lines that people read, without colours where nobody sees them', () => {
    const { stdout, status } = polycom(['doctor'], NO_TENSORFLOW);
    expect(stdout).toMatch(/^polycom \d/);
    expect(stdout).not.toContain('\x1b');
    const marked = stdout.split('\n').filter((line) => /^ {2}[✔–✖] /.test(line));
    const labels = documentOf(polycom(['doctor', '--json'], NO_TENSORFLOW)).sections.flatMap((section) =>
      section.findings.map(({ label }) => label.length),
    );
    expect(marked.length).toBe(labels.length);
    const value = 4 + Math.max(...labels) + 2;
    for (const line of marked) expect(line.slice(value - 2, value + 1), line).toMatch(/^ {2}\S$/);
    expect(stdout.trim().split('\n').at(-1)).toBe(
      status === 0 ? 'nothing is broken' : expect.stringMatching(/broken$/),
    );
  });
});
