/** Keeps a value for the life of the process: an unloaded library would take the process down. */
export function holdForever(value: unknown): void {
  const holder = globalThis as { [key: symbol]: unknown };
  const key = Symbol.for('polycom.handles');
  const handles = holder[key];
  if (Array.isArray(handles)) handles.push(value);
  else holder[key] = [value];
}
