// Runs CUDA kernels on a CPU: an ordinary C++ compiler includes this before an unchanged .cu file.
//
// A block runs on one core, one fiber (a stack of its own, switched by a few instructions) per CUDA thread, in
// turn from barrier to barrier; blocks run on several cores at once. It is an instrument, too. On demand
//   - blocks, and the threads of a block between any two barriers, run in random orders,
//   - shared memory holds NaN when a block starts,
// and a barrier that some threads of a block do not reach is always an error that names its line.
//
// What kernels may use of CUDA: templates, 3-dimensional grids and blocks, static __shared__ arrays,
// __syncthreads(), min and max of int, and the functions of <cmath>.
// Built with -fvisibility=hidden: function statics must not be shared between libraries that hold the same
// template.

#pragma once

#include <link.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define CUDA_ON_HOST_ASAN 1
#endif

struct dim3 {
    unsigned int x, y, z;
};

static inline int min(const int a, const int b) {
    return a < b ? a : b;
}

static inline int max(const int a, const int b) {
    return a > b ? a : b;
}

#define __global__
#define __device__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#ifdef CUDA_ON_HOST_ASAN
// Not thread-local, which has no redzones: the caller asks for one worker. The section makes it one range.
#define __shared__ static __attribute__((section("cuda_shared")))
extern "C" __attribute__((weak, visibility("hidden"))) char __start_cuda_shared[], __stop_cuda_shared[];
#else
#define __shared__ static thread_local
#endif

namespace cuda_on_host {

static const unsigned MOST_THREADS = 1024;  // of a block, as on a GPU
static const unsigned MOST_WORKERS = 256;
static const uint64_t CANARY = 0x5ca1ab1e0ddba11u;

// How a kernel is to be launched; the fields are those of the caller's structure, in this order.
struct Launch {
    dim3 grid, block;
    uint32_t workers;  // cores to use
    uint32_t shuffle;  // 1: blocks and threads run in random orders, drawn from `seed`
    uint32_t poison;   // 1: shared memory starts as NaN
    uint64_t seed;
    char* stacks;  // workers * threads of a block * stack_bytes, a multiple of 16
    uint64_t stack_bytes;
    char* message;  // receives what went wrong
    uint64_t message_bytes;
};

typedef void (*Kernel)(void** arguments);

// A grid that is being run, which all workers share.
struct Run {
    const Launch* launch;
    Kernel kernel;
    void** arguments;
    uint64_t next_block;
    uint32_t next_worker;
    uint32_t failed;
};

// A thread of the block, which lies at the end of its own stack; or the scheduler of the block's threads.
struct alignas(16) Fiber {
    void* stack_pointer;
    char* stack;
    size_t stack_bytes;
    void* fake_stack;  // AddressSanitizer's
    dim3 index;
    const char* file;  // of the barrier at which it waits
    int line;
    bool ended;
};

// What a core knows of the block that it runs.
struct Worker {
    Run* run;
    Fiber** turn;  // where the running thread stands in the order of all, of which the scheduler is last
    Fiber* current;
    Fiber* scheduler;
    dim3 block_index, block, grid;
    uint64_t random;
};

static thread_local Worker worker;

static bool fail(const char* format, ...) {
    const Launch* const launch = worker.run->launch;
    if (!__atomic_exchange_n(&worker.run->failed, 1, __ATOMIC_ACQ_REL)) {
        va_list values;
        va_start(values, format);
        vsnprintf(launch->message, launch->message_bytes, format, values);
        va_end(values);
    }
    return false;
}

// Saves the registers that a function must preserve, leaves the stack pointer in *from, and continues at `to`.
extern "C" void cuda_on_host_switch(void** from, void* to);

#if defined(__x86_64__)
asm(R"(
.text
.hidden cuda_on_host_switch
.globl cuda_on_host_switch
.type cuda_on_host_switch, @function
cuda_on_host_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size cuda_on_host_switch, . - cuda_on_host_switch
)");
static const size_t RETURN_WORD = 6;
static const size_t FRAME_WORDS = 8;  // two more than it pops: the stack is aligned as after a call
#elif defined(__aarch64__)
asm(R"(
.text
.hidden cuda_on_host_switch
.globl cuda_on_host_switch
.type cuda_on_host_switch, %function
cuda_on_host_switch:
    sub sp, sp, #160
    stp x19, x20, [sp]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size cuda_on_host_switch, . - cuda_on_host_switch
)");
static const size_t RETURN_WORD = 11;  // x30
static const size_t FRAME_WORDS = 20;
#else
#error "cuda_on_host.h switches stacks on x86-64 and aarch64 only"
#endif

// Goes on with another fiber; `fake_stack` is null if this one is not needed again.
static inline void change(Fiber* from, const Fiber* to, void** fake_stack) {
#ifdef CUDA_ON_HOST_ASAN
    __sanitizer_start_switch_fiber(fake_stack, to->stack, to->stack_bytes);
    cuda_on_host_switch(&from->stack_pointer, to->stack_pointer);
    __sanitizer_finish_switch_fiber(from->fake_stack, nullptr, nullptr);
#else
    (void)fake_stack;
    cuda_on_host_switch(&from->stack_pointer, to->stack_pointer);
#endif
}

static inline void barrier(const char* file, int line) {
    Fiber* const self = worker.current;
    self->file = file;
    self->line = line;
    change(self, worker.current = *++worker.turn, &self->fake_stack);
}

// Tells AddressSanitizer that a new fiber runs, and learns from it where the scheduler's stack is.
static __attribute__((noinline)) void arrive() {
#ifdef CUDA_ON_HOST_ASAN
    const void* stack;
    size_t stack_bytes;
    __sanitizer_finish_switch_fiber(nullptr, &stack, &stack_bytes);
    Fiber* const scheduler = worker.scheduler;
    if (scheduler->stack == nullptr) {  // so this is the first thread of all, and came from there
        scheduler->stack = static_cast<char*>(const_cast<void*>(stack));
        scheduler->stack_bytes = stack_bytes;
    }
#endif
}

static void thread_main() {
    arrive();
    worker.run->kernel(worker.run->arguments);
    Fiber* const self = worker.current;
    self->ended = true;
    change(self, worker.current = *++worker.turn, nullptr);
    __builtin_unreachable();
}

static inline void start(Fiber* fiber, unsigned thread) {
    const dim3 block = worker.block;
    fiber->index = {thread % block.x, thread / block.x % block.y, thread / (block.x * block.y)};
    fiber->ended = false;
    void** const frame = reinterpret_cast<void**>(fiber->stack + fiber->stack_bytes) - FRAME_WORDS;
    memset(frame, 0, FRAME_WORDS * sizeof *frame);
    frame[RETURN_WORD] = reinterpret_cast<void*>(&thread_main);
    fiber->stack_pointer = frame;
}

static inline void shuffle(Fiber** order, unsigned count) {
    for (unsigned i = count - 1; i > 0; i--) {  // Fisher and Yates, by a xorshift generator
        worker.random ^= worker.random << 13;
        worker.random ^= worker.random >> 7;
        worker.random ^= worker.random << 17;
        const unsigned j = (worker.random >> 32) * (i + 1) >> 32;
        Fiber* const other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
}

// All shared memory of this core, as bytes.
struct Range {
    char* start;
    size_t bytes;
};

#ifdef CUDA_ON_HOST_ASAN
static Range shared_memory() {
    return {__start_cuda_shared, static_cast<size_t>(__stop_cuda_shared - __start_cuda_shared)};
}
#else
// Sought among the parts of the program: where this code lies, there are its thread-local variables.
static int find_thread_locals(dl_phdr_info* info, size_t, void* found) {
    size_t bytes = 0;
    bool ours = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr)& part = info->dlpi_phdr[i];
        const uintptr_t offset = reinterpret_cast<uintptr_t>(&thread_main) - info->dlpi_addr - part.p_vaddr;
        ours = ours || (part.p_type == PT_LOAD && offset < part.p_memsz);
        bytes = part.p_type == PT_TLS ? part.p_memsz : bytes;
    }
    if (ours) {
        *static_cast<Range*>(found) = {static_cast<char*>(info->dlpi_tls_data), bytes};
    }
    return ours;
}

static Range shared_memory() {
    Range found = {nullptr, 0};
    dl_iterate_phdr(find_thread_locals, &found);
    if (found.start == nullptr) {
        fail("its shared memory cannot be found to be poisoned");
    }
    return found;
}
#endif

// Fills shared memory with NaN, but not the worker, which lies among it. AddressSanitizer would forbid memset the
// redzones between arrays.
static __attribute__((noinline, no_sanitize("address"))) void poison(Range memory) {
    volatile char* const keep = reinterpret_cast<char*>(&worker);
    for (volatile char* at = memory.start; at < memory.start + memory.bytes; at++) {
        if (at < keep || at >= keep + sizeof worker) {
            *at = static_cast<char>(0xff);
        }
    }
}

static bool fail_at_barrier(const Fiber& one, const Fiber& other) {
    const Fiber* const both[] = {&one, &other};
    char where[2][256];
    for (int i = 0; i < 2; i++) {
        if (both[i]->ended) {
            snprintf(where[i], sizeof where[i], "has ended");
        } else {
            snprintf(where[i], sizeof where[i], "waits at %s:%d", both[i]->file, both[i]->line);
        }
    }
    const dim3 at = worker.block_index, a = one.index, b = other.index;
    return fail("a barrier is not reached by all threads: in block (%u, %u, %u) thread (%u, %u, %u) %s, "
                "but thread (%u, %u, %u) %s",
                at.x, at.y, at.z, a.x, a.y, a.z, where[0], b.x, b.y, b.z, where[1]);
}

static inline bool together(const Fiber& one, const Fiber& other) {
    if (one.ended || other.ended) {
        return one.ended == other.ended;
    }
    return one.line == other.line && (one.file == other.file || strcmp(one.file, other.file) == 0);
}

// Runs all threads of a block, from barrier to barrier; false if something is wrong with it.
static bool run_block(Fiber** order, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        start(order[i], i);
    }
    const Fiber& one = *order[0];
    do {
        if (worker.run->launch->shuffle) {
            shuffle(order, count);
        }
        worker.turn = order;
        worker.current = order[0];
        change(worker.scheduler, order[0], &worker.scheduler->fake_stack);
        for (unsigned i = 0; i < count; i++) {
            if (!together(one, *order[i])) {
                return fail_at_barrier(one, *order[i]);
            }
        }
    } while (!one.ended);
    for (unsigned i = 0; i < count; i++) {
        if (*reinterpret_cast<uint64_t*>(order[i]->stack) != CANARY) {
            return fail("a thread needs more than %zu bytes of stack", one.stack_bytes);
        }
    }
    return true;
}

static void* work(void* argument) {
    Run* const run = static_cast<Run*>(argument);
    const Launch* const launch = run->launch;
    const dim3 grid = launch->grid, block = launch->block;
    const uint64_t blocks = static_cast<uint64_t>(grid.x) * grid.y * grid.z;
    const unsigned count = block.x * block.y * block.z;
    const uint64_t stacks_bytes = count * launch->stack_bytes;
    char* const stacks = launch->stacks + __atomic_fetch_add(&run->next_worker, 1, __ATOMIC_RELAXED) * stacks_bytes;
    Fiber scheduler = {}, *order[MOST_THREADS + 1];
    for (unsigned i = 0; i < count; i++) {
        char* const stack = stacks + i * launch->stack_bytes;
        const size_t stack_bytes = launch->stack_bytes - sizeof(Fiber);
        order[i] = reinterpret_cast<Fiber*>(stack + stack_bytes);
        *order[i] = {};
        order[i]->stack = stack;
        order[i]->stack_bytes = stack_bytes;
        *reinterpret_cast<uint64_t*>(stack) = CANARY;
    }
    order[count] = &scheduler;
    worker = {};
    worker.run = run;
    worker.scheduler = &scheduler;
    worker.block = block;
    worker.grid = grid;
    const Range shared = launch->poison ? shared_memory() : Range{};
    for (uint64_t next; (next = __atomic_fetch_add(&run->next_block, 1, __ATOMIC_RELAXED)) < blocks;) {
        if (__atomic_load_n(&run->failed, __ATOMIC_RELAXED)) {
            break;
        }
        if (launch->shuffle) {  // a step by a prime reaches every block
            next = (launch->seed % blocks + next * 2654435761u) % blocks;
        }
        worker.block_index = {static_cast<unsigned>(next % grid.x), static_cast<unsigned>(next / grid.x % grid.y),
                              static_cast<unsigned>(next / grid.x / grid.y)};
        worker.random = (launch->seed + next + 1) * 0x9e3779b97f4a7c15u | 1;
        poison(shared);
        if (!run_block(order, count)) {
            break;
        }
    }
#ifdef CUDA_ON_HOST_ASAN
    // Threads that did not end have left marks.
    __asan_unpoison_memory_region(stacks, stacks_bytes);
#endif
    return nullptr;
}

// Runs a whole grid of one block or more; 0, or 1 and a message. Fewer cores than asked for will do.
static int run(const Launch* launch, Kernel kernel, void** arguments) {
    Run all = {launch, kernel, arguments, 0, 0, 0};
    pthread_t others[MOST_WORKERS];
    uint32_t started = 0;
    while (started + 1 < launch->workers && started < MOST_WORKERS &&
           pthread_create(&others[started], nullptr, work, &all) == 0) {
        started++;
    }
    work(&all);
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(others[i], nullptr);
    }
    return static_cast<int>(all.failed);
}

}  // namespace cuda_on_host

#define threadIdx (cuda_on_host::worker.current->index)
#define blockIdx (cuda_on_host::worker.block_index)
#define blockDim (cuda_on_host::worker.block)
#define gridDim (cuda_on_host::worker.grid)
#define __syncthreads() cuda_on_host::barrier(__FILE__, __LINE__)
