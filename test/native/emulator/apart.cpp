// The device apart, of the emulated CUDA: a process that alone has device memory and runs the kernels. A kernel that
// reads the host's memory, and a host that reads the device's, end as they do on a GPU that shares no page tables.
// The same memory is mapped at a second address here, for copies.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "device.h"

namespace {

constexpr size_t device_bytes = size_t(8) << 30, pinned_bytes = size_t(1) << 30, alignment = 256;

// Addresses that are given out and taken back: the first free range that is long enough.
class arena {
 public:
  char* begin = nullptr;
  size_t bytes = 0;

  void open(void* at, size_t size) {
    begin = static_cast<char*>(at);
    bytes = size;
    free_[begin] = size;
  }

  bool holds(const void* address) const {
    const char* at = static_cast<const char*>(address);
    return at >= begin && at < begin + bytes;
  }

  void* take(size_t size) {
    size = (size + alignment - 1) / alignment * alignment;
    const std::lock_guard<std::mutex> lock(guard_);
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      const auto [at, room] = *it;
      if (room < size || size == 0) continue;
      free_.erase(it);
      if (room > size) free_[at + size] = room - size;
      taken_[at] = size;
      return at;
    }
    return nullptr;
  }

  bool give(void* address) {
    const std::lock_guard<std::mutex> lock(guard_);
    const auto found = taken_.find(static_cast<char*>(address));
    if (found == taken_.end()) return false;
    auto [at, size] = *found;
    taken_.erase(found);
    auto next = free_.upper_bound(at);
    if (next != free_.end() && at + size == next->first) {
      size += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == at) {
        before->second += size;
        return true;
      }
    }
    free_[at] = size;
    return true;
  }

 private:
  std::mutex guard_;
  std::map<char*, size_t> free_;
  std::unordered_map<char*, size_t> taken_;
};

arena device, pinned;
char* device_here = nullptr;  // where this process has it for copies
int line = -1;                // to the device's process
std::mutex calling;
std::atomic<cudaError_t> failed{cudaSuccess};

[[noreturn]] void give_up(const char* what) {
  perror(what);
  abort();
}

bool read_all(int file, void* to, size_t bytes) {
  for (char* at = static_cast<char*>(to); bytes > 0;) {
    const ssize_t got = read(file, at, bytes);
    if (got <= 0) return false;
    at += got;
    bytes -= size_t(got);
  }
  return true;
}

bool write_all(int file, const void* from, size_t bytes) {
  for (const char* at = static_cast<const char*>(from); bytes > 0;) {
    const ssize_t put = send(file, at, bytes, MSG_NOSIGNAL);
    if (put <= 0) return false;
    at += put;
    bytes -= size_t(put);
  }
  return true;
}

struct request {
  emulated_grid grid;
  size_t bytes;
};

// The device's process: runs what it is sent, until the other end is gone.
[[noreturn]] void serve(int file) {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  signal(SIGINT, SIG_IGN);  // of a terminal's group: the host's affair
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (mprotect(device.begin, device.bytes, PROT_READ | PROT_WRITE) != 0) _exit(1);
  std::vector<char> call;
  for (request asked; read_all(file, &asked, sizeof asked);) {
    call.resize(asked.bytes);
    if (!read_all(file, call.data(), asked.bytes)) break;
    run_grid(asked.grid, call.data());
    const char done = 1;
    if (!write_all(file, &done, 1)) break;
  }
  _exit(0);
}

void* map(size_t bytes, int protection, int flags, int file) {
  void* at = mmap(nullptr, bytes, protection, MAP_SHARED | MAP_NORESERVE | flags, file, 0);
  if (at == MAP_FAILED) give_up("emulated CUDA: no room for its memory");
  return at;
}

// When it is first needed: what kernels are there has been loaded by then.
void begin() {
  static std::once_flag once;
  std::call_once(once, [] {
    const int file = memfd_create("emulated CUDA", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, off_t(device_bytes)) != 0) give_up("emulated CUDA: no memory of its own");
    device.open(map(device_bytes, PROT_NONE, 0, file), device_bytes);
    device_here = static_cast<char*>(map(device_bytes, PROT_READ | PROT_WRITE, 0, file));
    pinned.open(map(pinned_bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS, -1), pinned_bytes);
    close(file);
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) give_up("emulated CUDA: no socket");
    const pid_t child = fork();
    if (child < 0) give_up("emulated CUDA: no process for its device");
    if (child == 0) {
      close(ends[0]);
      serve(ends[1]);
    }
    close(ends[1]);
    line = ends[0];
  });
}

}  // namespace

bool is_apart() {
  static const bool apart = getenv("EMULATED_APART") != nullptr;
  return apart;
}

void run_grid_apart(const emulated_grid& grid, const void* call, size_t bytes) {
  begin();
  const std::lock_guard<std::mutex> lock(calling);
  const request asked{grid, bytes};
  char done = 0;
  if (failed == cudaSuccess && !(write_all(line, &asked, sizeof asked) && write_all(line, call, bytes) &&
                                 read_all(line, &done, 1)))
    failed = cudaErrorIllegalAddress;
}

void* allocate_apart(size_t bytes) { return begin(), device.take(bytes); }
void* allocate_pinned(size_t bytes) { return begin(), pinned.take(bytes); }
bool free_apart(void* memory) { return device.give(memory) || pinned.give(memory); }

void* reachable(const void* address) {
  if (!device.holds(address)) return const_cast<void*>(address);
  return device_here + (static_cast<const char*>(address) - device.begin);
}

cudaError_t device_failure() { return failed; }
