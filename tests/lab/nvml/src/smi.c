/* Options, start, and the ways nvidia-smi fails. */
#include "smi.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct api api;

struct options {
    const char *query_gpu, *query_processes, *query_remapped, *format, *id, *display, *nvlink;
    bool log, list, version, topology;
};

const char *refusal(nvmlReturn_t result)
{
    return result == NVML_ERROR_NOT_SUPPORTED ? "N/A" : api.nvmlErrorString(result);
}

bool text_value(nvmlReturn_t (*call)(nvmlDevice_t, char *, unsigned int), nvmlDevice_t device, char *out)
{
    nvmlReturn_t result = call(device, out, VALUE);
    if (result != NVML_SUCCESS)
        snprintf(out, VALUE, "%s", refusal(result));
    return result == NVML_SUCCESS;
}

bool field_value(nvmlDevice_t device, unsigned int id, unsigned int scope, uint64_t *value, nvmlReturn_t *result)
{
    nvmlFieldValue_t field = {.fieldId = id, .scopeId = scope};
    *result = api.nvmlDeviceGetFieldValues(device, 1, &field);
    if (*result == NVML_SUCCESS)
        *result = field.nvmlReturn;
    *value = field.valueType == NVML_VALUE_ULL ? field.value.ullVal
        : field.valueType == NVML_VALUE_INT ? (uint64_t)field.value.siVal : field.value.uiVal;
    return *result == NVML_SUCCESS;
}

const char *recovery_name(uint64_t action)
{
    static const char *const names[] = {"None", "Reset", "Reboot", "Drain P2P", "Drain and Reset"};
    return action < sizeof names / sizeof *names ? names[action] : "Unknown";
}

unsigned int process_list(nvmlDevice_t device, nvmlProcessInfo_t *list, unsigned int room)
{
    unsigned int count = room;
    return api.nvmlDeviceGetComputeRunningProcesses_v3(device, &count, list) == NVML_SUCCESS ? count : 0;
}

void now_text(const char *format, char *out, bool milliseconds)
{
    struct timespec now;
    struct tm local;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    size_t used = strftime(out, VALUE, format, &local);
    if (milliseconds)
        snprintf(out + used, VALUE - used, ".%03ld", now.tv_nsec / 1000000);
}

_Noreturn void not_modelled(const char *what)
{
    fprintf(stderr, "fake nvidia-smi: '%s' is real but not modelled here\n", what);
    exit(EXIT_NOT_MODELLED);
}

static _Noreturn void bad_argument(const char *what)
{
    printf("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n\n");
    fprintf(stderr, "fake nvidia-smi: can't read '%s'\n", what);
    exit(EXIT_ARGUMENT);
}

static int exit_status(nvmlReturn_t result)
{
    return result == NVML_ERROR_UNKNOWN ? EXIT_OTHER : result;
}

/* NVML's own version without its first part and its last: 13.580.173.02 is told as 580.173. */
static const char *short_version(char *version)
{
    char *first = strchr(version, '.');
    if (first == NULL)
        return version;
    char *last = strrchr(first + 1, '.');
    if (last != NULL)
        *last = '\0';
    return first + 1;
}

static void load(void)
{
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (library == NULL) {
        printf("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA "
               "Display Driver is properly installed and present in your system.\n");
        exit(NVML_ERROR_LIBRARY_NOT_FOUND);
    }
#define LOAD(name) \
    if ((*(void **)&api.name = dlsym(library, #name)) == NULL) \
        exit(NVML_ERROR_FUNCTION_NOT_FOUND);
    SMI_CALLS(LOAD)
#undef LOAD
}

static void start(void)
{
    nvmlReturn_t result = api.nvmlInitWithFlags(NVML_INIT_FLAG_NO_GPUS);
    if (result == NVML_SUCCESS)
        return;
    if (result == NVML_ERROR_DRIVER_NOT_LOADED) {
        printf("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the "
               "latest NVIDIA driver is installed and running.\n\n");
    } else {
        char version[VALUE] = "";
        printf("Failed to initialize NVML: %s\n", api.nvmlErrorString(result));
        if (result == NVML_ERROR_LIB_RM_VERSION_MISMATCH
            && api.nvmlSystemGetNVMLVersion(version, sizeof version) == NVML_SUCCESS)
            printf("NVML library version: %s\n", short_version(version));
    }
    exit(exit_status(result));
}

static bool same_bus(const char *left, const char *right)
{
    unsigned int a[3], b[3];
    return sscanf(left, "%x:%x:%x", &a[0], &a[1], &a[2]) == 3 && sscanf(right, "%x:%x:%x", &b[0], &b[1], &b[2]) == 3
        && memcmp(a, b, sizeof a) == 0;
}

/* Whether `id` (an index, a bus id, a UUID or a serial) means this GPU. */
static bool meant(const struct target *target, const char *id)
{
    char bus[VALUE] = "", text[VALUE] = "", *end;
    unsigned long index = strtoul(id, &end, 10);
    if (*end == '\0' && strlen(id) < 4)
        return index == target->index;
    api.aamiFakeBusIdByIndex(target->index, bus, sizeof bus);
    if (strchr(id, ':') != NULL)
        return same_bus(id, bus);
    if (target->result != NVML_SUCCESS)
        return false;
    return (text_value(api.nvmlDeviceGetUUID, target->handle, text) && strcmp(text, id) == 0)
        || (text_value(api.nvmlDeviceGetSerial, target->handle, text) && strcmp(text, id) == 0);
}

static bool wanted(const struct target *target, const char *ids)
{
    char copy[VALUE];
    if (ids == NULL)
        return true;
    snprintf(copy, sizeof copy, "%s", ids);
    char *rest;
    for (char *id = strtok_r(copy, ",", &rest); id != NULL; id = strtok_r(NULL, ",", &rest))
        if (meant(target, id))
            return true;
    return false;
}

static void find_targets(struct targets *targets, const char *ids)
{
    api.nvmlDeviceGetCount_v2(&targets->total);
    for (unsigned int index = 0; index < targets->total; index++) {
        struct target target = {.index = index};
        char *end;
        bool number = ids != NULL && strlen(ids) < 4 && (strtoul(ids, &end, 10), *end == '\0');
        if (number && strtoul(ids, NULL, 10) != index)
            continue; /* a GPU that was not asked for is not touched */
        target.result = api.nvmlDeviceGetHandleByIndex_v2(index, &target.handle);
        if (wanted(&target, ids))
            targets->list[targets->count++] = target;
    }
    if (targets->count == 0) {
        printf("No devices were found\n");
        exit(EXIT_NOT_FOUND);
    }
}

nvmlDevice_t must_reach(const struct target *target)
{
    if (target->result == NVML_SUCCESS)
        return target->handle;
    char bus[VALUE] = "";
    api.aamiFakeBusIdByIndex(target->index, bus, sizeof bus);
    printf("Unable to determine the device handle for GPU%s: %s%s\n", strlen(bus) > 12 ? bus + 4 : bus,
           api.nvmlErrorString(target->result),
           target->result == NVML_ERROR_GPU_IS_LOST ? ".  Reboot the system to recover this GPU" : "");
    fflush(stdout);
    exit(exit_status(target->result));
}

/* `--name=value`, `--name value` or `-n value`. */
static bool takes(char **argv, int *at, const char *name, const char **value)
{
    const char *argument = argv[*at];
    size_t length = strlen(name);
    if (strncmp(argument, name, length) != 0)
        return false;
    if (argument[length] == '=' && name[1] == '-') {
        *value = argument + length + 1;
        return true;
    }
    if (argument[length] != '\0')
        return false;
    if (argv[*at + 1] == NULL)
        bad_argument(argument);
    *value = argv[++*at];
    return true;
}

static bool is(const char *argument, const char *brief, const char *name)
{
    return strcmp(argument, brief) == 0 || strcmp(argument, name) == 0;
}

static void read_options(char **argv, struct options *to)
{
    for (int at = 1; argv[at] != NULL; at++) {
        if (takes(argv, &at, "--query-gpu", &to->query_gpu) || takes(argv, &at, "--query-compute-apps", &to->query_processes)
            || takes(argv, &at, "--query-remapped-rows", &to->query_remapped) || takes(argv, &at, "--format", &to->format)
            || takes(argv, &at, "-i", &to->id) || takes(argv, &at, "--id", &to->id)
            || takes(argv, &at, "-d", &to->display) || takes(argv, &at, "--display", &to->display))
            continue;
        if (is(argv[at], "-q", "--query"))
            to->log = true;
        else if (is(argv[at], "-L", "--list-gpus"))
            to->list = true;
        else if (strcmp(argv[at], "--version") == 0)
            to->version = true;
        else if (strcmp(argv[at], "--help-query-gpu") == 0)
            exit(help_query_gpu());
        else if (at == 1 && strcmp(argv[at], "topo") == 0 && argv[2] != NULL && is(argv[2], "-m", "--matrix"))
            to->topology = at++ != 0;
        else if (at == 1 && strcmp(argv[at], "nvlink") == 0)
            to->nvlink = "";
        else if (to->nvlink != NULL && (is(argv[at], "-s", "--status") || is(argv[at], "-e", "--errorcounters")))
            to->nvlink = strchr(argv[at], 's') == argv[at] + 1 || argv[at][2] == 's' ? "status" : "errors";
        else if (strncmp(argv[at], "-", 1) == 0 && strspn(argv[at], "-") <= 2 && strlen(argv[at]) > 1)
            not_modelled(argv[at]);
        else
            bad_argument(argv[at]);
    }
}

static struct csv read_format(const char *format)
{
    struct csv csv = {true, true};
    bool chosen = false;
    char copy[VALUE], *rest;
    if (format == NULL)
        bad_argument("--format is missing");
    snprintf(copy, sizeof copy, "%s", format);
    for (char *word = strtok_r(copy, ", ", &rest); word != NULL; word = strtok_r(NULL, ", ", &rest)) {
        if (strcmp(word, "csv") == 0)
            chosen = true;
        else if (strcmp(word, "noheader") == 0)
            csv.header = false;
        else if (strcmp(word, "nounits") == 0)
            csv.units = false;
        else
            bad_argument(format);
    }
    if (!chosen)
        bad_argument(format);
    return csv;
}

static int print_version(void)
{
    char driver[VALUE] = "", nvml[VALUE] = "";
    int cuda = 0;
    api.nvmlSystemGetDriverVersion(driver, sizeof driver);
    api.nvmlSystemGetNVMLVersion(nvml, sizeof nvml);
    api.nvmlSystemGetCudaDriverVersion_v2(&cuda);
    printf("NVIDIA-SMI version  : %s\nNVML version        : %s\nDRIVER version      : %s\nCUDA Version        : %d.%d\n",
           driver, short_version(nvml), driver, cuda / 1000, cuda % 1000 / 10);
    return EXIT_OK;
}

static int run(const struct options *options, const struct targets *targets)
{
    if (options->query_gpu != NULL)
        return query_gpus(targets, options->query_gpu, read_format(options->format));
    if (options->query_processes != NULL)
        return query_processes(targets, options->query_processes, read_format(options->format));
    if (options->query_remapped != NULL)
        return query_remapped(targets, options->query_remapped, read_format(options->format));
    if (options->list)
        return print_list(targets);
    if (options->nvlink != NULL)
        return print_nvlink(targets, options->nvlink);
    if (options->topology)
        return print_topology(targets);
    return options->log ? print_log(targets, options->display) : print_table(targets);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct targets targets = {0};
    (void)argc;
    read_options(argv, &options);
    if (options.display != NULL && !options.log)
        bad_argument("-d");
    load();
    start();
    if (options.version)
        return print_version();
    find_targets(&targets, options.id);
    int status = run(&options, &targets);
    api.nvmlShutdown();
    return status;
}
