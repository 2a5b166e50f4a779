/* A coverage-guided fuzzer for compilers that bring none: libFuzzer's entry point and options, as
 * far as fuzz.py uses them (-runs=, -seed=, -artifact_prefix=, folders of seeds, single inputs).
 *
 * Coverage comes from counters that the compiler puts in: clang's inline 8-bit counters, or GCC's
 * trace-pc. An input that reaches a new place, or one much more often, is kept and mutated on. The
 * same seed gives the same run. */
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_LENGTH 1024u
#define MAX_CORPUS 20000u
#define PLACES (1u << 14)
#define HANG_S 20u

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);

typedef struct {
    uint8_t *bytes;
    size_t length;
} entry;

static entry corpus[MAX_CORPUS];
static size_t corpus_size;
static uint8_t current[MAX_LENGTH];
static size_t current_length;
static const char *artifact_prefix = "";
static uint64_t state = 1;

static uint8_t traced[PLACES];
static uint8_t *counters = traced, *counters_end = traced + PLACES;
static uint8_t seen[PLACES]; /* classes of counts that each place has had, by bits */
static size_t places_seen;

/* Called by what clang puts in. */
void __sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *stop);
void __sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *stop) {
    counters = start;
    counters_end = (size_t)(stop - start) < PLACES ? stop : start + PLACES;
}

/* Called by what GCC puts in. */
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
    /* From a place of the program's own: where it lies in memory is another one in every run. */
    const uintptr_t pc =
        (uintptr_t)__builtin_return_address(0) - (uintptr_t)&LLVMFuzzerTestOneInput;
    uint8_t *counter = &traced[(pc ^ pc >> 14) % PLACES];
    *counter += *counter < 255;
}

static uint32_t random_below(uint32_t limit) {
    /* xorshift64*, G. Marsaglia's shifts with S. Vigna's multiplier. */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % limit;
}

static uint8_t class_of(uint8_t count) {
    const uint8_t limits[] = {1, 2, 3, 7, 15, 31, 127};
    uint8_t bit = 0;
    while (bit < sizeof limits && count > limits[bit]) {
        bit++;
    }
    return (uint8_t)(1u << bit);
}

/* Take the counters of one run; whether they show anything new. */
static bool look(void) {
    bool fresh = false;
    for (uint8_t *at = counters; at < counters_end; at++) {
        uint64_t next;
        for (; at + sizeof next <= counters_end; at += sizeof next) {
            memcpy(&next, at, sizeof next);
            if (next != 0) {
                break;
            }
        }
        if (at == counters_end) {
            break;
        }
        if (*at == 0) {
            continue;
        }
        uint8_t *known = &seen[at - counters];
        const uint8_t class = class_of(*at);
        places_seen += *known == 0;
        fresh = fresh || (*known & class) == 0;
        *known |= class;
        *at = 0;
    }
    return fresh;
}

static void keep(const uint8_t *bytes, size_t length) {
    if (corpus_size < MAX_CORPUS) {
        entry *to = &corpus[corpus_size++];
        to->bytes = malloc(length > 0 ? length : 1);
        to->length = length;
        memcpy(to->bytes, bytes, length);
    }
}

static void run(void) {
    /* A copy of exactly this size, so that a sanitizer sees who reads beyond it. */
    uint8_t *copy = malloc(current_length > 0 ? current_length : 1);
    memcpy(copy, current, current_length);
    (void)alarm(HANG_S);
    (void)LLVMFuzzerTestOneInput(copy, current_length);
    free(copy);
}

static void found(int number) {
    char path[1024];
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < current_length; i++) {
        hash = (hash ^ current[i]) * 16777619u;
    }
    const char *kind = number == SIGALRM ? "timeout" : "crash";
    (void)snprintf(path, sizeof path, "%s%s-%08x", artifact_prefix, kind, (unsigned)hash);
    FILE *file = fopen(path, "wb");
    if (file != NULL) {
        (void)fwrite(current, 1, current_length, file);
        (void)fclose(file);
    }
    (void)fprintf(stderr, "finding: signal %d; input: %s\n", number, path);
    _exit(77);
}

static size_t mutate_once(uint8_t *bytes, size_t length) {
    static const uint8_t telling[] = {0, 1, 2, 3, 4, 5, 7, 8, 63, 64, 127, 128, 254, 255};
    const uint32_t at = random_below((uint32_t)length + 1u);
    const uint32_t span = 1u + random_below(1u << random_below(7));
    switch (length == 0 ? 4u : random_below(8)) {
    case 0:
        bytes[at % length] ^= (uint8_t)(1u << random_below(8));
        return length;
    case 1:
        bytes[at % length] = (uint8_t)random_below(256);
        return length;
    case 2:
        bytes[at % length] = telling[random_below(sizeof telling)];
        return length;
    case 3:
        bytes[at % length] = (uint8_t)(bytes[at % length] + random_below(33) - 16u);
        return length;
    case 4: { /* insert */
        const uint32_t n = length + span <= MAX_LENGTH ? span : 0;
        memmove(bytes + at + n, bytes + at, length - at);
        const uint8_t fill = (uint8_t)random_below(256);
        for (uint32_t i = 0; i < n; i++) {
            bytes[at + i] = random_below(2) != 0 ? fill : (uint8_t)random_below(256);
        }
        return length + n;
    }
    case 5: { /* delete */
        const uint32_t n = span < length - at ? span : (uint32_t)(length - at);
        memmove(bytes + at, bytes + at + n, length - at - n);
        return length - n;
    }
    case 6: { /* repeat a part of it */
        const uint32_t from = random_below((uint32_t)length);
        uint32_t n = span < length - from ? span : (uint32_t)(length - from);
        n = length + n <= MAX_LENGTH ? n : 0;
        uint8_t part[64];
        n = n < sizeof part ? n : (uint32_t)sizeof part;
        memcpy(part, bytes + from, n);
        memmove(bytes + at + n, bytes + at, length - at);
        memcpy(bytes + at, part, n);
        return length + n;
    }
    default: { /* go on as another input does */
        const entry *other = &corpus[random_below((uint32_t)corpus_size)];
        if (other->length == 0) {
            return length;
        }
        const uint32_t from = random_below((uint32_t)other->length);
        size_t n = other->length - from;
        n = at + n <= MAX_LENGTH ? n : MAX_LENGTH - at;
        memcpy(bytes + at, other->bytes + from, n);
        return at + n;
    }
    }
}

static bool load(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    current_length = fread(current, 1, sizeof current, file);
    (void)fclose(file);
    run();
    return look();
}

static void load_folder(const char *folder) {
    struct dirent **files;
    const int n = scandir(folder, &files, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[1024];
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
        if (files[i]->d_name[0] != '.' && load(path)) {
            keep(current, current_length);
        }
        free(files[i]);
    }
    if (n >= 0) {
        free((void *)files);
    }
}

int main(int argc, char **argv) {
    uint64_t runs = 0;
    const int fatal[] = {SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++) {
        (void)signal(fatal[i], found);
    }
    for (int i = 1; i < argc; i++) {
        struct stat about;
        if (strncmp(argv[i], "-runs=", 6) == 0) {
            runs = strtoull(argv[i] + 6, NULL, 10);
        } else if (strncmp(argv[i], "-seed=", 6) == 0) {
            state = strtoull(argv[i] + 6, NULL, 10) * 2u + 1u;
        } else if (strncmp(argv[i], "-artifact_prefix=", 17) == 0) {
            artifact_prefix = argv[i] + 17;
        } else if (argv[i][0] != '-') {
            if (stat(argv[i], &about) == 0 && S_ISDIR(about.st_mode)) {
                load_folder(argv[i]);
            } else {
                (void)load(argv[i]);
            }
        }
    }
    if (corpus_size == 0) {
        keep((const uint8_t *)"", 0);
    }
    const time_t start = time(NULL);
    for (uint64_t i = 0; i < runs; i++) {
        /* Half of the time one of the last that were kept: they have been tried least. */
        const uint32_t n = (uint32_t)corpus_size, recent = n < 32 ? n : 32;
        const uint32_t chosen =
            random_below(2) != 0 ? random_below(n) : n - 1u - random_below(recent);
        current_length = corpus[chosen].length;
        memcpy(current, corpus[chosen].bytes, current_length);
        for (uint32_t n_mutations = 1u + random_below(6); n_mutations > 0; n_mutations--) {
            current_length = mutate_once(current, current_length);
        }
        run();
        if (look()) {
            keep(current, current_length);
        }
    }
    (void)alarm(0);
    (void)printf("Done %llu runs in %ld second(s): %zu places, %zu inputs kept\n",
                 (unsigned long long)runs, (long)(time(NULL) - start), places_seen, corpus_size);
    return 0;
}
