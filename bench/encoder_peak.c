/* How many operations a second this machine's arithmetic units reach when nothing comes from memory: each thread runs
 * twelve independent chains of one instruction on registers. `encoder_peak THREADS SECONDS` prints one line of JSON,
 * billions of operations a second (a multiplication and an addition are two): fp32 by FMA, sums of int16 pairs, sums
 * of int8 quadruples, each at the widest that the processor has, null where it has none. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CHAINS = 12 }; /* at most 5 steps of latency times 2 units, and some to spare */
enum { TURNS = 100000 };

typedef struct {
    const char *name;
    void (*work)(void);          /* TURNS turns of CHAINS steps */
    double operations_of_a_step; /* in one thread */
} Kind;

typedef struct {
    void (*work)(void);
    double seconds, taken, calls;
} Task;

#if defined(__x86_64__)

#define TWELVE(step) step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11)

/* Operands and sums start as zero, so that no number grows, overflows or is denormal. */
#define CLEAR(n) "vpxor %%xmm" #n ", %%xmm" #n ", %%xmm" #n "\n\t"
#define WORK(name, step)                                                                                           \
    static void name(void) {                                                                                       \
        int turns = TURNS;                                                                                         \
        __asm__ volatile(TWELVE(CLEAR) CLEAR(12) CLEAR(13) "1:\n\t" TWELVE(step) "dec %0\n\tjnz 1b\n\tvzeroupper"  \
                         : "+r"(turns)                                                                             \
                         :                                                                                         \
                         : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",   \
                           "xmm10", "xmm11", "xmm12", "xmm13", "xmm14");                                           \
    }

#define FMA_512(n) "vfmadd231ps %%zmm12, %%zmm13, %%zmm" #n "\n\t"
#define FMA_256(n) "vfmadd231ps %%ymm12, %%ymm13, %%ymm" #n "\n\t"
#define PAIRS_512(n) "vpdpwssd %%zmm12, %%zmm13, %%zmm" #n "\n\t"
#define PAIRS_256(n) "vpmaddwd %%ymm12, %%ymm13, %%ymm14\n\tvpaddd %%ymm14, %%ymm" #n ", %%ymm" #n "\n\t"
#define QUADS_512(n) "vpdpbusd %%zmm12, %%zmm13, %%zmm" #n "\n\t"

WORK(fma_512, FMA_512)
WORK(fma_256, FMA_256)
WORK(pairs_512, PAIRS_512)
WORK(pairs_256, PAIRS_256)
WORK(quads_512, QUADS_512)

static Kind fp32(void) {
    if (__builtin_cpu_supports("avx512f")) return (Kind){"fp32", fma_512, 2 * 16};
    if (__builtin_cpu_supports("fma")) return (Kind){"fp32", fma_256, 2 * 8};
    return (Kind){"fp32", NULL, 0};
}

static Kind int16(void) {
    if (__builtin_cpu_supports("avx512vnni")) return (Kind){"int16", pairs_512, 2 * 32};
    if (__builtin_cpu_supports("avx2")) return (Kind){"int16", pairs_256, 2 * 16};
    return (Kind){"int16", NULL, 0};
}

static Kind int8(void) {
    if (__builtin_cpu_supports("avx512vnni")) return (Kind){"int8", quads_512, 2 * 64};
    return (Kind){"int8", NULL, 0};
}

#else

static Kind fp32(void) { return (Kind){"fp32", NULL, 0}; }
static Kind int16(void) { return (Kind){"int16", NULL, 0}; }
static Kind int8(void) { return (Kind){"int8", NULL, 0}; }

#endif

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *run(void *argument) {
    Task *task = argument;
    double start = now();
    for (task->calls = 0; (task->taken = now() - start) < task->seconds; task->calls++) task->work();
    return NULL;
}

/* Billions of operations a second of all threads. */
static double measured(Kind kind, int threads, double seconds) {
    pthread_t handles[threads];
    Task tasks[threads];
    double total = 0;
    for (int i = 0; i < threads; i++) {
        tasks[i] = (Task){kind.work, seconds, 0, 0};
        if (pthread_create(&handles[i], NULL, run, &tasks[i])) exit(1);
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(handles[i], NULL);
        total += tasks[i].calls * TURNS * CHAINS * kind.operations_of_a_step / tasks[i].taken;
    }
    return total / 1e9;
}

int main(int count, char **words) {
    int threads = count > 1 ? atoi(words[1]) : 1;
    double seconds = count > 2 ? atof(words[2]) : 0.2;
    Kind kinds[] = {fp32(), int16(), int8()};
    for (int i = 0; i < 3; i++) {
        printf("%s\"%s\": ", i ? ", " : "{", kinds[i].name);
        if (kinds[i].work) printf("%.1f", measured(kinds[i], threads, seconds));
        else printf("null");
    }
    puts("}");
    return 0;
}
