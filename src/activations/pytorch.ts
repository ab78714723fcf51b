import type { Op, Parameter, Scalar } from '../op/types.js';

/** The file that {@link pytorchOf} is written to. */
export const PYTORCH_FILE = 'activations_polycom.py';

const HEAD = `"""The activations of polycom in PyTorch: a function each, of its matrices, its learned parameters and, by keyword, its
options. They compute in the dtype of what they are given. Made of the rows of polycom's table."""

from typing import Callable, Mapping, NamedTuple

import torch
from torch.nn import functional as F


def powers(x, order):
    """The highest first, as weights are."""
    return [*(x**p for p in range(order, 1, -1)), x]
`;

const TABLE = `
class Activation(NamedTuple):
    formula: Callable
    parameters: Mapping[str, tuple]
    """By name: the shape, in which "order" is that of the polynomial, and the value of every element at first."""
`;

/** The Python file of these activations: functions, and a table of them by name. */
export function pytorchOf(rows: readonly Op[]): string {
  const entries = rows.map((row) => `    "${row.name}": ${entryOf(row)},\n`);
  return `${[HEAD, ...rows.map(functionOf), TABLE].join('\n')}\n\nACTIVATIONS = {\n${entries.join('')}}\n`;
}

function functionOf({ name, label, source, inputs, scalars, torch = '' }: Op): string {
  const options = Object.entries(scalars).map(([scalar, of]) => `${scalar}=${defaultOf(of)}`);
  const given = options.length === 0 ? inputs : [...inputs, '*', ...options];
  const lines = torch.trim().split('\n');
  const body = lines.length === 1 ? [`return ${lines[0]}`] : lines;
  return `
def ${name}(${given.join(', ')}):
    """${label} (${source})."""
${body.map((line) => `    ${line}\n`).join('')}`;
}

function defaultOf({ default: value, choices }: Scalar): string {
  return choices === undefined ? String(value) : `"${choices[value]}"`;
}

function entryOf(row: Op): string {
  const parameters = Object.entries(row.parameters).map(([name, of]) => `"${name}": ${parameterOf(of)}`);
  return `Activation(${row.name}, {${parameters.join(', ')}})`;
}

function parameterOf({ shape, first }: Parameter): string {
  const sizes = shape.map((size) => `${JSON.stringify(size)}, `).join('');
  return `((${sizes.trimEnd()}), ${JSON.stringify(first)})`;
}
