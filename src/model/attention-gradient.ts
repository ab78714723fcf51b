import * as tf from '@tensorflow/tfjs-core';
import { runBackward, runKeeping } from '../op/run.js';
import { attentionOp } from '../transformer-ops/attention.js';
import { rmsnormOp } from '../transformer-ops/rmsnorm.js';
import { rotaryOp } from '../transformer-ops/rotary.js';
import { asHeads, asRows } from './attention.js';
import type { ForwardPass, LayerPass } from './forward-pass.js';
import { linear, linearInput, linearWeight, total } from './linear.js';
import { parameterAt } from './parameters.js';
import type { BranchGradients, BranchOutput, Kept, NamedGradients, Saved } from './tape-node.js';

/** The attention branch by hand: its forward pass off the tape, with what its backward pass needs beside n. */
export function attentionForward(n: tf.Tensor, pass: LayerPass): BranchOutput {
  const { config, parameters, start, table } = pass;
  const [q, k] = [headsForward(n, 'q', pass), headsForward(n, 'k', pass)];
  const v = asHeads(linear(n, parameterAt(parameters, 'self_attn.v_proj.weight')), config.kvHeads, pass);
  const [turnedQ, turnedK] = [q, k].map(({ heads }) => runKeeping(rotaryOp, [heads, table, start]));
  const seen = runKeeping(attentionOp, [turnedQ!.y, turnedK!.y, v, start]);
  const rows = asRows(seen.y);
  return {
    y: linear(rows, parameterAt(parameters, 'self_attn.o_proj.weight')),
    saved: {
      seen: [rows],
      attention: seen.kept,
      rotaryQ: turnedQ!.kept,
      rotaryK: turnedK!.kept,
      normQ: q.kept,
      normK: k.kept,
    },
  };
}

/** The gradients for n and, by their names, for the branch's parameters. */
export function attentionBackward(
  dy: tf.Tensor,
  n: tf.Tensor,
  saved: Kept<Saved>,
  pass: LayerPass,
): BranchGradients {
  const { config, parameters } = pass;
  const weight = (name: string) => parameterAt(parameters, `self_attn.${name}_proj.weight`);
  const doutput = linearWeight(dy, saved.seen![0]!);
  const dseen = linearInput(dy, weight('o'));
  tf.dispose(saved.seen!);
  const dheads = runBackward(attentionOp, saved.attention!, [asHeads(dseen, config.heads, pass)]);
  tf.dispose([dseen, saved.attention!]);
  const gradients: NamedGradients = [['self_attn.o_proj.weight', doutput]];
  const parts = (['q', 'k', 'v'] as const).map((name, i) => {
    const dprojected =
      name === 'v' ? asRows(dheads[i]!) : headsBackward(dheads[i]!, name, saved, pass, gradients);
    gradients.push([`self_attn.${name}_proj.weight`, linearWeight(dprojected, n)]);
    const part = linearInput(dprojected, weight(name));
    tf.dispose([dheads[i]!, dprojected]);
    return part;
  });
  return { dn: total(parts), gradients };
}

/** Queries or keys before the rotary embedding, normalised if the model does that. */
function headsForward(
  n: tf.Tensor,
  name: 'q' | 'k',
  pass: LayerPass,
): { heads: tf.Tensor; kept: tf.Tensor[] } {
  const { config, parameters } = pass;
  const count = name === 'q' ? config.heads : config.kvHeads;
  const projected = linear(n, parameterAt(parameters, `self_attn.${name}_proj.weight`));
  if (!config.qkNorm) return { heads: asHeads(projected, count, pass), kept: [] };
  const weight = parameterAt(parameters, `self_attn.${name}_norm.weight`);
  const { y, kept } = runKeeping(rmsnormOp, [projected, weight], { epsilon: config.normEpsilon });
  return { heads: asHeads(y, count, pass), kept };
}

/** The gradient for the projected queries or keys; that of their norm's weight goes to the list. */
function headsBackward(
  dturned: tf.Tensor,
  name: 'q' | 'k',
  saved: Kept<Saved>,
  { config }: ForwardPass,
  gradients: NamedGradients,
): tf.Tensor {
  const [rotary, norm] = name === 'q' ? [saved.rotaryQ!, saved.normQ!] : [saved.rotaryK!, saved.normK!];
  const [dheads] = runBackward(rotaryOp, rotary, [dturned]);
  const rows = asRows(dheads!);
  tf.dispose([dheads!, rotary]);
  if (!config.qkNorm) return rows;
  const [dprojected, dweight] = runBackward(rmsnormOp, norm, [rows], { epsilon: config.normEpsilon });
  gradients.push([`self_attn.${name}_norm.weight`, dweight!]);
  tf.dispose([rows, norm]);
  return dprojected!;
}
