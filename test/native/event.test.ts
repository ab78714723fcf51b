import { describe, expect, test } from 'vitest';
import { DeviceEvent } from '../../src/native/event.js';
import { DeviceTensor } from '../../src/native/tensor.js';
import { hosts } from './device-harness.js';

describe.each(hosts)('time on $device', ({ device, library }) => {
  if (library === undefined) return test.skip('needs the library', () => undefined);

  test('lies between two events', () => {
    const queue = library.createQueue({ device });
    using begun = new DeviceEvent(queue);
    using ended = new DeviceEvent(queue);
    const x = DeviceTensor.alloc(queue, [1 << 16]);
    const began = performance.now();
    begun.record();
    queue.call('copy', { inputs: [x], scalars: [0] }).forEach((y) => void y.dispose());
    ended.record();
    queue.synchronize();
    const most = performance.now() - began;
    expect(ended.since(begun)).toBeGreaterThan(0);
    expect(ended.since(begun)).toBeLessThanOrEqual(most);
    begun.record();
    queue.synchronize();
    expect(begun.since(ended)).toBeGreaterThanOrEqual(0);
    x.dispose();
    queue.dispose();
  });

  test('is refused of events that were not recorded', () => {
    const queue = library.createQueue({ device });
    using never = new DeviceEvent(queue);
    using ended = new DeviceEvent(queue);
    ended.record();
    queue.dispose(); // which they outlive
    expect(() => ended.since(never)).toThrow(/event_elapsed: an event has not been recorded/);
    expect(() => never.since(ended)).toThrow(/event_elapsed: an event has not been recorded/);
  });

  test('a disposed event is refused, and disposed again in peace', () => {
    const queue = library.createQueue({ device });
    const event = new DeviceEvent(queue);
    event.dispose();
    event.dispose();
    expect(() => event.record()).toThrow(/event_record: the event is null/);
    queue.dispose();
  });

  test('belongs to a device that says what it is', () => {
    const about = library.deviceInfo(device);
    expect(about.name.length).toBeGreaterThan(0);
    if (device === 'cuda') {
      expect(about).toEqual({
        name: 'emulated on the CPU',
        architecture: 90,
        multiprocessors: 3,
        l2_bytes: 65536,
        memory_bytes: 2 ** 30,
      });
    }
    expect(() => library.deviceInfo(device, 99)).toThrow(/does not exist/);
  });
});

test('no time lies between two devices', (context) => {
  const library = hosts.find(({ device }) => device === 'cuda')!.library;
  if (library === undefined) return context.skip('there is no CUDA emulator');
  const [cpu, cuda] = [library.createQueue(), library.createQueue({ device: 'cuda' })];
  using here = new DeviceEvent(cpu);
  using there = new DeviceEvent(cuda);
  here.record();
  there.record();
  expect(() => there.since(here)).toThrow(/the events are of two devices/);
  for (const queue of [cpu, cuda]) queue.dispose();
});
