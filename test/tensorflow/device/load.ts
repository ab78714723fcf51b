/** Imported before all else by a process whose TensorFlow, if it loads one, is to have the test's GPU. */
import { holdForever } from '../../../src/common/hold.js';
import { koffi } from '../../../src/native/koffi.js';

/** What tests ask the device. */
export interface TestDeviceCalls {
  /** How many copies TensorFlow has made from and to the host. */
  copies(): { toDevice: number; toHost: number };
  /** Has each copy and each op from now on wait so many milliseconds on its stream, as behind a long kernel. */
  slowDown(copies: number, ops: number): void;
  /** Has ops run on a stream that is not TensorFlow's, where they are in no order with its work. */
  mislead(): void;
}

declare global {
  var testDevice: TestDeviceCalls;
}

// TensorFlow takes devices until tfjs-node makes its context, which it does when it loads.
const { dlopen } = process;
process.dlopen = (...given) => {
  if (given[1].endsWith('tfjs_binding.node')) giveDevice();
  dlopen.apply(process, given);
};

function giveDevice(): void {
  const [device, ...tensorflow] = process.env.POLYCOM_TEST_DEVICE!.split(':');
  const libraries = tensorflow.map((path) => koffi().load(path));
  const library = libraries.at(-1)!;
  const status = library.func('void *TF_NewStatus()')();
  library.func('void *TF_LoadPluggableDeviceLibrary(const char *, void *)')(device, status);
  if (library.func('int TF_GetCode(void *)')(status) !== 0) {
    const why = library.func('const char *TF_Message(void *)')(status);
    throw new Error(`TensorFlow does not take ${device}: ${why}`);
  }
  const calls = koffi().load(device!);
  holdForever([libraries, calls]);
  const [toDevice, toHost] = ['device', 'host'].map((where) =>
    calls.func(`test_device_copies_to_${where}`, 'int64_t', []),
  );
  globalThis.testDevice = {
    copies: () => ({ toDevice: toDevice!(), toHost: toHost!() }),
    mislead: calls.func('test_device_mislead', 'void', []),
    slowDown: calls.func('test_device_slow_down', 'void', ['int', 'int']),
  };
}
