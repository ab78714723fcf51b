// The order of an op's work on a GPU among TensorFlow's own.
#pragma once
#include "op.h"

namespace polycom {
namespace tensorflow {

// Where an op's work goes.
struct place {
  pc_queue* queue;
  int tier;  // CUDA: as pc_tensorflow_stream_tier says
};

// The place for the work of an op that TensorFlow runs now. `index`: of the device.
pc_status find_place(TF_OpKernelContext* context, pc_device device, int index, place* found);

// Runs an op there: after what TensorFlow has asked of the device, and before what it will.
pc_status run_in_order(const op& of, const place& at, const pc_args* args);

}  // namespace tensorflow
}  // namespace polycom
