/** Files of long work: written whole or not at all, read as UTF-8, and locks that end with their process. */
export { type FileSum, type SummingWriter, writeAside } from '../checkpoint/files.js';
export { CALLERS_CHOICE, isWithin } from '../common/file-error.js';
export { makeFolder } from '../common/folder.js';
export { type Holder, holderName, holderRemedy, takeLock } from '../common/lock.js';
export { readText, readTextSync } from '../common/text.js';
