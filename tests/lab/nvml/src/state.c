/* Reads a state file, strictly. */
#include "state.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 512 };

struct key { const char *name; size_t offset; };

static const struct key texts[] = {
#define ROW(name) {#name, offsetof(struct gpu, name)},
    GPU_TEXTS(ROW)
#undef ROW
};

static const struct key numbers[] = {
#define ROW(name) {#name, offsetof(struct gpu, name)},
    GPU_NUMBERS(ROW)
#undef ROW
};

static const char *const presences[] = {"present", "lost", "unreachable", "removed", "denied"};

_Noreturn void state_fault(const char *path, int line, const char *what)
{
    fprintf(stderr, "fake NVML: %s:%d: %s\n", path, line, what);
    fflush(stderr);
    abort();
}

const char *state_path(void)
{
    static char beside[PATH_MAX];
    const char *given = getenv("AAMI_FAKE_GPU_STATE");
    if (given != NULL && *given != '\0')
        return given;
    Dl_info info;
    if (dladdr((void *)(uintptr_t)&state_path, &info) == 0 || info.dli_fname == NULL)
        return "fake-gpu.state";
    const char *slash = strrchr(info.dli_fname, '/');
    int folder = slash == NULL ? 0 : (int)(slash - info.dli_fname) + 1;
    snprintf(beside, sizeof beside, "%.*sfake-gpu.state", folder, info.dli_fname);
    return beside;
}

static uint64_t parse_number(const char *path, int line, const char *text)
{
    char *end;
    errno = 0;
    uint64_t value = *text == '-' ? (uint64_t)strtoll(text, &end, 0) : strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0')
        state_fault(path, line, "not a number");
    return value;
}

static void copy(const char *path, int line, char *target, size_t size, const char *text)
{
    if (strlen(text) >= size)
        state_fault(path, line, "value too long");
    strcpy(target, text);
}

static bool set_text(const char *path, int line, struct gpu *gpu, const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(key, texts[i].name) != 0)
            continue;
        struct text *text = (struct text *)((char *)gpu + texts[i].offset);
        if (*value == '!') {
            text->error = (int)parse_number(path, line, value + 1);
        } else {
            copy(path, line, text->value, sizeof text->value, value);
            text->error = NVML_SUCCESS;
        }
        return true;
    }
    return false;
}

static bool set_number(const char *path, int line, struct gpu *gpu, const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(key, numbers[i].name) != 0)
            continue;
        struct number *number = (struct number *)((char *)gpu + numbers[i].offset);
        bool refused = *value == '!';
        uint64_t parsed = parse_number(path, line, refused ? value + 1 : value);
        number->error = refused ? (int)parsed : NVML_SUCCESS;
        number->value = refused ? 0 : parsed;
        return true;
    }
    return false;
}

static void add_link(const char *path, int line, struct gpu *gpu, const char *value)
{
    struct link link = {0};
    int active;
    if (gpu->link_count == NVML_NVLINK_LINKS)
        state_fault(path, line, "too many NVLinks");
    if (sscanf(value, "%d %lu %lu %lu %lu %lu %u %31s", &active, &link.replay, &link.recovery, &link.crc_flit,
               &link.crc_data, &link.symbol, &link.remote_type, link.remote_bus_id) != 8)
        state_fault(path, line, "nvlink wants: active replay recovery crc_flit crc_data symbol type bus_id");
    link.active = active != 0;
    gpu->links[gpu->link_count++] = link;
}

/* Process names are whatever their owner chose: `\xHH` stands for a byte the file can't hold. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        unsigned int byte;
        if (from[0] == '\\' && from[1] == 'x' && sscanf(from + 2, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static void add_process(const char *path, int line, struct gpu *gpu, const char *value)
{
    struct process process = {0};
    if (gpu->process_count == MAX_PROCESSES)
        state_fault(path, line, "too many processes");
    if (sscanf(value, "%u %lu %u %u %95[^\n]", &process.pid, &process.memory, &process.gpu_instance,
               &process.compute_instance, process.name) != 5)
        state_fault(path, line, "process wants: pid bytes gpu_instance compute_instance name");
    unescape(process.name);
    gpu->processes[gpu->process_count++] = process;
}

static void add_mig(const char *path, int line, struct gpu *gpu, const char *value)
{
    struct mig mig = {.used = true};
    unsigned int index;
    if (sscanf(value, "%u %u %u %u %u %u %lu %lu %31s %95s", &index, &mig.gpu_instance, &mig.compute_instance,
               &mig.gpu_slices, &mig.compute_slices, &mig.multiprocessors, &mig.memory_total,
               &mig.memory_used, mig.profile, mig.uuid) != 10 || index >= MAX_MIGS)
        state_fault(path, line, "mig wants: index gi ci gi_slices ci_slices sms total used profile uuid");
    gpu->migs[index] = mig;
}

static void add_page(const char *path, int line, struct gpu *gpu, const char *value)
{
    struct page page;
    if (gpu->page_count == MAX_PAGES)
        state_fault(path, line, "too many retired pages");
    if (sscanf(value, "%u %lx %lu", &page.cause, &page.address, &page.time) != 3 || page.cause > 1)
        state_fault(path, line, "retired wants: cause address time");
    gpu->pages[gpu->page_count++] = page;
}

static void set_presence(const char *path, int line, struct gpu *gpu, const char *value)
{
    for (unsigned int i = 0; i < sizeof presences / sizeof *presences; i++) {
        if (strcmp(value, presences[i]) == 0) {
            gpu->presence = (enum presence)i;
            return;
        }
    }
    state_fault(path, line, "unknown presence");
}

static void set_gpu(const char *path, int line, struct gpu *gpu, const char *key, const char *value)
{
    if (strcmp(key, "presence") == 0)
        set_presence(path, line, gpu, value);
    else if (strcmp(key, "frozen_path") == 0)
        copy(path, line, gpu->frozen_path, sizeof gpu->frozen_path, value);
    else if (strcmp(key, "nvlink") == 0)
        add_link(path, line, gpu, value);
    else if (strcmp(key, "process") == 0)
        add_process(path, line, gpu, value);
    else if (strcmp(key, "mig") == 0)
        add_mig(path, line, gpu, value);
    else if (strcmp(key, "retired_supported") == 0)
        gpu->retired_supported = parse_number(path, line, value) != 0;
    else if (strcmp(key, "retired") == 0)
        add_page(path, line, gpu, value);
    else if (!set_text(path, line, gpu, key, value) && !set_number(path, line, gpu, key, value))
        state_fault(path, line, "unknown key of a GPU");
}

static void set_node(const char *path, int line, struct node *node, const char *key, const char *value)
{
    if (strcmp(key, "driver_version") == 0)
        copy(path, line, node->driver_version, sizeof node->driver_version, value);
    else if (strcmp(key, "nvml_version") == 0)
        copy(path, line, node->nvml_version, sizeof node->nvml_version, value);
    else if (strcmp(key, "cuda_version") == 0)
        node->cuda_version = (int)parse_number(path, line, value);
    else if (strcmp(key, "init") == 0)
        node->init = strcmp(value, "hang") == 0 ? -1 : (int)parse_number(path, line, value);
    else if (strcmp(key, "init_ms") == 0)
        node->init_ms = (unsigned int)parse_number(path, line, value);
    else if (strcmp(key, "frozen_path") == 0)
        copy(path, line, node->frozen_path, sizeof node->frozen_path, value);
    else
        state_fault(path, line, "unknown key of a node");
}

static struct gpu *next_gpu(const char *path, int line, struct node *node)
{
    if (node->count == MAX_GPUS)
        state_fault(path, line, "too many GPUs");
    struct gpu *gpu = &node->gpus[node->count++];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ((struct text *)((char *)gpu + texts[i].offset))->error = NVML_ERROR_NOT_SUPPORTED;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ((struct number *)((char *)gpu + numbers[i].offset))->error = NVML_ERROR_NOT_SUPPORTED;
    return gpu;
}

static void read_line(const char *path, int number, char *line, struct node *node, struct gpu **gpu)
{
    size_t length = strcspn(line, "\n");
    if (line[length] != '\n')
        state_fault(path, number, "line too long or torn");
    line[length] = '\0';
    if (length == 0)
        return;
    if (strcmp(line, "gpu") == 0) {
        *gpu = next_gpu(path, number, node);
        return;
    }
    char *space = strchr(line, ' ');
    if (space == NULL)
        state_fault(path, number, "a key without a value");
    *space = '\0';
    if (*gpu == NULL)
        set_node(path, number, node, line, space + 1);
    else
        set_gpu(path, number, *gpu, line, space + 1);
}

bool state_read(const char *path, struct node *node)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        if (errno != ENOENT)
            state_fault(path, 0, strerror(errno));
        return false;
    }
    memset(node, 0, sizeof *node);
    char line[LINE];
    struct gpu *gpu = NULL;
    if (fgets(line, sizeof line, file) == NULL || strcmp(line, "aami-fake-gpus 1\n") != 0)
        state_fault(path, 1, "not a state file of the fake GPUs, version 1");
    for (int number = 2; fgets(line, sizeof line, file) != NULL; number++)
        read_line(path, number, line, node, &gpu);
    fclose(file);
    return true;
}
