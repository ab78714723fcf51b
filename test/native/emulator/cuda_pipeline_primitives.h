// Asynchronous copies for the emulated CUDA: each is made no sooner than its group is waited for, so that a wait
// that is missing shows.
#pragma once
#include "cuda_runtime.h"

void __pipeline_memcpy_async(void* to_shared, const void* from, size_t bytes);
void __pipeline_commit();
// Makes this thread's copies, save those of its newest `pending` groups.
void __pipeline_wait_prior(size_t pending);
