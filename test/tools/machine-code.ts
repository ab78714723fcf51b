/** What cuobjdump prints of a kernel: an instruction a line, with labels (`name:`) for the addresses that they name. */
export function machineCode(text: string, kernel = '_Z1kv', sm = '90'): string {
  const lines = text.split('\n').map((line) => line.trim());
  const labels = new Map<string, number>();
  const instructions: string[] = [];
  for (const line of lines.filter((one) => one !== '')) {
    if (line.endsWith(':')) labels.set(line.slice(0, -1), 16 * instructions.length);
    else instructions.push(line);
  }
  const hex = (address: number): string => address.toString(16);
  const printed = instructions.map((one, i) => {
    const resolved = one.replace(/\b[a-z_]+$/, (name) => `0x${hex(labels.get(name)!)}`);
    const address = `/*${hex(16 * i).padStart(4, '0')}*/`;
    return `        ${address}  ${resolved} ;  /* 0x000000040a107981 */\n                   /* 0x000000040a107981 */`;
  });
  return `\n\tcode for sm_${sm}\n\t\tFunction : ${kernel}\n\t.headerflags\t@"EF_CUDA_SM${sm}"\n${printed.join('\n')}\n`;
}
