import type { DoctorDocument, Finding, Section } from './types.js';

const MARKS: Readonly<Record<Finding['mark'], readonly [mark: string, color: number]>> = {
  ok: ['✔', 32],
  absent: ['–', 33],
  broken: ['✖', 31],
};

/** The report for a terminal: a line for each finding, and below it what to do about it. */
export function formatDoctor(
  { package: { version, koffi }, sections, ok }: DoctorDocument,
  color: boolean,
): string {
  const paint = (code: number, text: string): string => (color ? `\x1b[${code}m${text}\x1b[0m` : text);
  const width = Math.max(...sections.flatMap(({ findings }) => findings.map(({ label }) => label.length)));
  const line = ({ mark, label, value, remedy }: Finding): string => {
    const [sign, code] = MARKS[mark];
    const first = `  ${paint(code, sign)} ${label.padEnd(width)}  ${value}`;
    return remedy === undefined || mark === 'ok'
      ? first
      : `${first}\n    ${''.padEnd(width)}  ${paint(2, `→ ${remedy}`)}`;
  };
  const section = ({ title, findings }: Section): string =>
    [paint(1, title), ...findings.map(line)].join('\n');
  const broken = sections.flatMap(({ findings }) => findings).filter(({ mark }) => mark === 'broken').length;
  const verdict = ok ? 'nothing is broken' : `${broken} ${broken === 1 ? 'thing is' : 'things are'} broken`;
  return `${[`polycom ${version}, koffi ${koffi}`, ...sections.map(section), verdict].join('\n\n')}\n`;
}
