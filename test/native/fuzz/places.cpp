// Where the CUDA kernels look for a slot, at sizes that no test has the memory for.
#include "activations/cuda/elementwise.cuh"
#include "report.h"
#include "resources.h"

namespace fuzz {

void check_slot_places() {
  now.op = "slots";
  constexpr int64_t rows = 3, most = int64_t(~0u);
  for (const int64_t row_slots : {int64_t(1), int64_t(7), most - 1, most, most + 1, most + 2, 3 * most}) {
    polycom::activation_call call{};
    call.rows = rows;
    call.cols = row_slots;
    call.x = {reinterpret_cast<void*>(4096), row_slots};
    for (int64_t row = 0; row < rows; ++row) {
      for (const int64_t at : {int64_t(0), row_slots / 2, row_slots - 1}) {
        const polycom::cuda::slot_divisor divisor(row_slots);
        const polycom::cuda::slot_place<float, 1> place(call, divisor, row * row_slots + at);
        expect(place.row == row && place.at == at, "slot %lld of row %lld, of %lld, is at %lld of row %lld",
               (long long)at, (long long)row, (long long)row_slots, (long long)place.at,
               (long long)place.row);
      }
    }
  }
}

}  // namespace fuzz
