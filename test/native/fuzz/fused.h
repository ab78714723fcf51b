// Calls of the ops beside the activations.
#pragma once
#include "polycom.h"
#include "random.h"

namespace fuzz {

// One call of any of them on either queue, right or broken.
void one_fused_call(pc_queue* const (&queues)[2], pc_device device, random_source& random);

}  // namespace fuzz
