import { findGpus } from '../native/gpus.js';
import { findTools } from '../native/tools.js';
import { cacheFinding, findCache } from './cache.js';
import { gpuFindings } from './gpu.js';
import { findNativeState, nativeFindings } from './native.js';
import { findPackage } from './package.js';
import { smoke, smokeFindings } from './smoke.js';
import { findSystem, systemFindings } from './system.js';
import { findTensorflowAtHand, findTensorflowState, findTfjs, tensorflowFindings } from './tensorflow.js';
import { toolFindings } from './tools.js';
import type { DoctorDocument, DoctorRequest, Facts, Section } from './types.js';

/** What {@link diagnose} may be told. */
export interface DiagnoseOptions extends DoctorRequest {
  /** Milliseconds after which a probe counts as hanging: two minutes by default. */
  readonly timeout?: number | undefined;
}

const TIMEOUT_MS = 120_000;

/**
 * Looks at everything that this package needs or can use. What runs native code does so in processes of their own:
 * a crash there is a line here. Never throws for what is missing or broken.
 */
export async function diagnose(options: DiagnoseOptions = {}): Promise<DoctorDocument> {
  const { timeout = TIMEOUT_MS } = options;
  const facts = await findFacts(timeout);
  const sections = sectionsOf(facts, options);
  const ok = sections.every(({ findings }) => findings.every(({ mark }) => mark !== 'broken'));
  return { schema: 1, ok, ...facts, sections };
}

async function findFacts(timeout: number): Promise<Facts> {
  const [system, gpu, tools, native, tensorflow] = await Promise.all([
    findSystem(),
    findGpus(),
    findTools(),
    findNativeState(timeout),
    findTensorflowState(timeout),
  ]);
  const at_hand = tensorflow.state === 'loaded' ? undefined : await findTensorflowAtHand();
  return {
    package: findPackage(),
    system,
    cache: findCache(),
    native,
    gpu,
    tfjs: findTfjs(),
    tensorflow,
    ...(at_hand === undefined ? {} : { tensorflow_at_hand: at_hand }),
    tools,
    smoke: await smoke({ native, tensorflow }, timeout),
  };
}

function sectionsOf(facts: Facts, request: DoctorRequest): Section[] {
  const { system, cache, gpu, tools } = facts;
  return [
    { title: 'System', findings: [...systemFindings(system), cacheFinding(cache)] },
    { title: 'Native library', findings: nativeFindings(facts, request) },
    { title: 'GPU', findings: gpuFindings(gpu, facts, request) },
    { title: 'TensorFlow', findings: tensorflowFindings(facts, request) },
    { title: 'Ops, each run once', findings: smokeFindings(facts.smoke) },
    { title: 'Tools for building', findings: toolFindings(tools) },
  ];
}
