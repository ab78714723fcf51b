// What of the ABI is no op: memory, queues, texts, TensorFlow's names.
#pragma once
#include "polycom.h"
#include "random.h"

namespace fuzz {

// A few uses and abuses of those functions, on a queue and on queues of its own. `alone`: no other thread has
// memory of the device.
void use_resources(pc_device device, pc_queue* queue, bool alone, random_source& random);

// Expects each slot of a CUDA kernel to be where it belongs.
void check_slot_places();

}  // namespace fuzz
