/* Selective queries: --query-gpu, --query-compute-apps, --query-remapped-rows as CSV. */
#include "smi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct subject { const struct targets *targets; unsigned int index; nvmlDevice_t device; const nvmlProcessInfo_t *process; };

typedef void (*getter)(const struct subject *subject, unsigned int argument, char *out);

struct field { const char *name, *alias, *unit; getter get; unsigned int argument; const char *fixed; };

static void refuse(nvmlReturn_t result, char *out) { snprintf(out, VALUE, "[%s]", refusal(result)); }

static void number(nvmlReturn_t result, uint64_t value, const char *format, char *out)
{
    if (result != NVML_SUCCESS)
        refuse(result, out);
    else
        snprintf(out, VALUE, format, value);
}

static void word(nvmlReturn_t result, unsigned int value, const char *no, const char *yes, char *out)
{
    if (result != NVML_SUCCESS)
        refuse(result, out);
    else
        snprintf(out, VALUE, "%s", value ? yes : no);
}

static void text(nvmlReturn_t (*call)(nvmlDevice_t, char *, unsigned int), nvmlDevice_t device, char *out)
{
    nvmlReturn_t result = call(device, out, VALUE);
    if (result != NVML_SUCCESS)
        refuse(result, out);
}

static void timestamp(const struct subject *s, unsigned int a, char *out) { (void)s; (void)a; now_text("%Y/%m/%d %H:%M:%S", out, true); }
static void driver(const struct subject *s, unsigned int a, char *out) { (void)s; (void)a; api.nvmlSystemGetDriverVersion(out, VALUE); }
static void count(const struct subject *s, unsigned int a, char *out) { (void)a; snprintf(out, VALUE, "%u", s->targets->total); }
static void index_of(const struct subject *s, unsigned int a, char *out) { (void)a; snprintf(out, VALUE, "%u", s->index); }
static void name(const struct subject *s, unsigned int a, char *out) { (void)a; text(api.nvmlDeviceGetName, s->device, out); }
static void serial(const struct subject *s, unsigned int a, char *out) { (void)a; text(api.nvmlDeviceGetSerial, s->device, out); }
static void uuid(const struct subject *s, unsigned int a, char *out) { (void)a; text(api.nvmlDeviceGetUUID, s->device, out); }
static void vbios(const struct subject *s, unsigned int a, char *out) { (void)a; text(api.nvmlDeviceGetVbiosVersion, s->device, out); }
static void inforom(const struct subject *s, unsigned int a, char *out) { (void)a; text(api.nvmlDeviceGetInforomImageVersion, s->device, out); }

static void pci(const struct subject *s, unsigned int part, char *out)
{
    nvmlPciInfo_t info;
    nvmlReturn_t result = api.nvmlDeviceGetPciInfo_v3(s->device, &info);
    if (result != NVML_SUCCESS)
        refuse(result, out);
    else if (part == 0)
        snprintf(out, VALUE, "%s", info.busId);
    else
        snprintf(out, VALUE, part == 1 ? "0x%04X" : part < 4 ? "0x%02X" : "0x%08X",
                 part == 1 ? info.domain : part == 2 ? info.bus : part == 3 ? info.device
                     : part == 4 ? info.pciDeviceId : info.pciSubSystemId);
}

static void small(const struct subject *s, unsigned int which, char *out)
{
    nvmlReturn_t (*const calls[])(nvmlDevice_t, unsigned int *) = {
        api.nvmlDeviceGetCurrPcieLinkGeneration, api.nvmlDeviceGetMaxPcieLinkGeneration,
        api.nvmlDeviceGetCurrPcieLinkWidth, api.nvmlDeviceGetMaxPcieLinkWidth, api.nvmlDeviceGetPerformanceState,
    };
    unsigned int value = 0;
    nvmlReturn_t result = calls[which](s->device, &value);
    number(result, value, which == 4 ? "P%lu" : "%lu", out);
}

static void persistence(const struct subject *s, unsigned int a, char *out)
{
    unsigned int value = 0;
    (void)a;
    nvmlReturn_t result = api.nvmlDeviceGetPersistenceMode(s->device, &value);
    word(result, value, "Disabled", "Enabled", out);
}

static void field(const struct subject *s, unsigned int id, char *out)
{
    uint64_t value;
    nvmlReturn_t result;
    field_value(s->device, id, 0, &value, &result);
    number(result, value, "%lu", out);
}

static void recovery(const struct subject *s, unsigned int id, char *out)
{
    uint64_t value;
    nvmlReturn_t result;
    if (field_value(s->device, id, 0, &value, &result))
        snprintf(out, VALUE, "%s", recovery_name(value));
    else
        refuse(result, out);
}

static void reasons(const struct subject *s, unsigned int bit, char *out)
{
    uint64_t value = 0;
    nvmlReturn_t result = bit == 0 ? api.nvmlDeviceGetSupportedClocksEventReasons(s->device, &value)
                                   : api.nvmlDeviceGetCurrentClocksEventReasons(s->device, &value);
    if (bit <= 1 && result == NVML_SUCCESS)
        snprintf(out, VALUE, "0x%016lX", value);
    else
        word(result, (value & (bit >> 1)) != 0, "Not Active", "Active", out);
}

static void memory(const struct subject *s, unsigned int part, char *out)
{
    nvmlMemory_v2_t info = {.version = VERSIONED(nvmlMemory_v2_t, 2)};
    nvmlReturn_t result = api.nvmlDeviceGetMemoryInfo_v2(s->device, &info);
    const uint64_t parts[] = {info.total, info.reserved, info.used, info.free};
    number(result, parts[part] >> 20, "%lu", out);
}

static void compute_mode(const struct subject *s, unsigned int a, char *out)
{
    static const char *const modes[] = {"Default", "Exclusive_Thread", "Prohibited", "Exclusive_Process"};
    unsigned int value = 0;
    (void)a;
    nvmlReturn_t result = api.nvmlDeviceGetComputeMode(s->device, &value);
    if (result == NVML_SUCCESS)
        snprintf(out, VALUE, "%s", modes[value & 3]);
    else
        refuse(result, out);
}

static void capability(const struct subject *s, unsigned int a, char *out)
{
    int major = 0, minor = 0;
    (void)a;
    nvmlReturn_t result = api.nvmlDeviceGetCudaComputeCapability(s->device, &major, &minor);
    if (result == NVML_SUCCESS)
        snprintf(out, VALUE, "%d.%d", major, minor);
    else
        refuse(result, out);
}

static void utilization(const struct subject *s, unsigned int part, char *out)
{
    nvmlUtilization_t value = {0};
    nvmlReturn_t result = api.nvmlDeviceGetUtilizationRates(s->device, &value);
    number(result, part == 0 ? value.gpu : part == 1 ? value.memory : 0, "%lu", out);
}

static void mode(const struct subject *s, unsigned int which, char *out)
{
    unsigned int current = 0, pending = 0;
    nvmlReturn_t result = which < 2 ? api.nvmlDeviceGetEccMode(s->device, &current, &pending)
                                    : api.nvmlDeviceGetMigMode(s->device, &current, &pending);
    word(result, which % 2 ? pending : current, "Disabled", "Enabled", out);
}

/* argument: type * 100 + counter * 10 + location, location 9 for the total */
static void ecc(const struct subject *s, unsigned int which, char *out)
{
    uint64_t value = 0;
    unsigned int type = which / 100, counter = which / 10 % 10, location = which % 10;
    nvmlReturn_t result = location == 9
        ? api.nvmlDeviceGetTotalEccErrors(s->device, type, counter, &value)
        : api.nvmlDeviceGetMemoryErrorCounter(s->device, type, counter, location, &value);
    number(result, value, "%lu", out);
}

static void sram(const struct subject *s, unsigned int part, char *out)
{
    nvmlEccSramErrorStatus_v1_t status = {.version = VERSIONED(nvmlEccSramErrorStatus_v1_t, 1)};
    nvmlReturn_t result = api.nvmlDeviceGetSramEccErrorStatus(s->device, &status);
    const uint64_t parts[] = {status.volatileUncParity, status.volatileUncSecDed, status.aggregateUncParity,
                              status.aggregateUncSecDed, status.aggregateUncBucketL2, status.aggregateUncBucketSm,
                              status.aggregateUncBucketMcu, status.aggregateUncBucketPcie,
                              status.aggregateUncBucketOther};
    if (part == 9)
        word(result, status.bThresholdExceeded, "No", "Yes", out);
    else
        number(result, parts[part], "%lu", out);
}

static void retired(const struct subject *s, unsigned int cause, char *out)
{
    unsigned int value = 64;
    uint64_t addresses[64], times[64];
    nvmlReturn_t result = cause == 2 ? api.nvmlDeviceGetRetiredPagesPendingStatus(s->device, &value)
                                     : api.nvmlDeviceGetRetiredPages_v2(s->device, cause, &value, addresses, times);
    if (cause == 2)
        word(result, value, "No", "Yes", out);
    else
        number(result, value, "%lu", out);
}

static void remapped(const struct subject *s, unsigned int part, char *out)
{
    unsigned int rows[4] = {0};
    nvmlReturn_t result = api.nvmlDeviceGetRemappedRows(s->device, &rows[0], &rows[1], &rows[2], &rows[3]);
    if (part < 2)
        number(result, rows[part], "%lu", out);
    else
        word(result, rows[part], "No", "Yes", out);
}

static void banks(const struct subject *s, unsigned int part, char *out)
{
    nvmlRowRemapperHistogramValues_t h = {0};
    nvmlReturn_t result = api.nvmlDeviceGetRowRemapperHistogram(s->device, &h);
    const unsigned int parts[] = {h.max, h.high, h.partial, h.low, h.none};
    number(result, parts[part], "%lu", out);
}

static void temperature(const struct subject *s, unsigned int margin, char *out)
{
    unsigned int value = 0;
    nvmlMarginTemperature_v1_t info = {.version = VERSIONED(nvmlMarginTemperature_v1_t, 1)};
    nvmlReturn_t result = margin ? api.nvmlDeviceGetMarginTemperature(s->device, &info)
                                 : api.nvmlDeviceGetTemperature(s->device, 0, &value);
    number(result, margin ? (uint64_t)info.marginTemperature : value, margin ? "%ld" : "%lu", out);
}

static void power(const struct subject *s, unsigned int which, char *out)
{
    unsigned int value = 0, other = 0;
    nvmlReturn_t result = which == 0 ? api.nvmlDeviceGetPowerUsage(s->device, &value)
        : which == 1 ? api.nvmlDeviceGetPowerManagementLimit(s->device, &value)
        : which == 2 ? api.nvmlDeviceGetEnforcedPowerLimit(s->device, &value)
        : which == 3 ? api.nvmlDeviceGetPowerManagementDefaultLimit(s->device, &value)
        : which == 4 ? api.nvmlDeviceGetPowerManagementLimitConstraints(s->device, &value, &other)
                     : api.nvmlDeviceGetPowerManagementLimitConstraints(s->device, &other, &value);
    if (result == NVML_SUCCESS)
        snprintf(out, VALUE, "%.2f", value / 1000.0);
    else
        refuse(result, out);
}

static void clocks(const struct subject *s, unsigned int which, char *out)
{
    unsigned int value = 0;
    nvmlReturn_t result = which < 10 ? api.nvmlDeviceGetClockInfo(s->device, which, &value)
                                     : api.nvmlDeviceGetMaxClockInfo(s->device, which - 10, &value);
    number(result, value, "%lu", out);
}

static void fabric(const struct subject *s, unsigned int part, char *out)
{
    static const char *const states[] = {"N/A", "Not Started", "In Progress", "Completed"};
    nvmlGpuFabricInfo_v3_t info = {.version = VERSIONED(nvmlGpuFabricInfo_v3_t, 3)};
    nvmlReturn_t result = api.nvmlDeviceGetGpuFabricInfoV(s->device, &info);
    if (result != NVML_SUCCESS)
        refuse(result, out);
    else if (part == 2)
        snprintf(out, VALUE, "%u", info.cliqueId);
    else
        snprintf(out, VALUE, "%s", part == 0 ? states[info.state & 3] : api.nvmlErrorString(info.status));
}

static void process(const struct subject *s, unsigned int part, char *out)
{
    if (part == 0)
        snprintf(out, VALUE, "%u", s->process->pid);
    else if (part == 1)
        snprintf(out, VALUE, "%lu", s->process->usedGpuMemory >> 20);
    else if (api.nvmlSystemGetProcessName(s->process->pid, out, VALUE) != NVML_SUCCESS)
        snprintf(out, VALUE, "[Not Found]");
}

#include "smi_fields.h"

enum { MAX_CHOSEN = 256 };

struct choice { const struct field *list[MAX_CHOSEN]; unsigned int count; };

static const struct field *find(const struct field *fields, size_t count, const char *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, wanted) == 0 || (fields[i].alias != NULL && strcmp(fields[i].alias, wanted) == 0))
            return &fields[i];
    return NULL;
}

static bool choose(const struct field *fields, size_t count_of, const char *names, struct choice *choice)
{
    static char copy[16384];
    char *rest;
    snprintf(copy, sizeof copy, "%s", names);
    for (char *item = strtok_r(copy, ", ", &rest); item != NULL; item = strtok_r(NULL, ", ", &rest)) {
        const struct field *found = find(fields, count_of, item);
        if (found == NULL || choice->count == MAX_CHOSEN) {
            printf("Field \"%s\" is not a valid field to query.\n\n", item);
            return false;
        }
        choice->list[choice->count++] = found;
    }
    return choice->count > 0;
}

static void print_header(const struct choice *choice)
{
    for (unsigned int i = 0; i < choice->count; i++)
        printf(choice->list[i]->unit ? "%s%s [%s]" : "%s%s", i ? ", " : "", choice->list[i]->name, choice->list[i]->unit);
    printf("\n");
}

static void print_row(const struct choice *choice, const struct subject *subject, bool units)
{
    for (unsigned int i = 0; i < choice->count; i++) {
        const struct field *field = choice->list[i];
        char value[VALUE] = "";
        if (field->fixed != NULL)
            snprintf(value, sizeof value, "%s", field->fixed);
        else
            field->get(subject, field->argument, value);
        bool unit = units && field->unit != NULL && *value != '[';
        printf("%s%s%s%s", i ? ", " : "", value, unit ? " " : "", unit ? field->unit : "");
    }
    printf("\n");
}

int query_gpus(const struct targets *targets, const char *fields, struct csv csv)
{
    static struct choice choice;
    if (!choose(gpu_fields, sizeof gpu_fields / sizeof *gpu_fields, fields, &choice))
        return EXIT_ARGUMENT;
    for (unsigned int i = 0; i < targets->count; i++)
        must_reach(&targets->list[i]);
    if (csv.header)
        print_header(&choice);
    for (unsigned int i = 0; i < targets->count; i++) {
        struct subject subject = {targets, targets->list[i].index, targets->list[i].handle, NULL};
        print_row(&choice, &subject, csv.units);
    }
    return EXIT_OK;
}

int query_remapped(const struct targets *targets, const char *fields, struct csv csv)
{
    static struct choice choice;
    if (!choose(remap_fields, sizeof remap_fields / sizeof *remap_fields, fields, &choice))
        return EXIT_ARGUMENT;
    for (unsigned int i = 0; i < targets->count; i++)
        must_reach(&targets->list[i]);
    if (csv.header)
        print_header(&choice);
    for (unsigned int i = 0; i < targets->count; i++) {
        struct subject subject = {targets, targets->list[i].index, targets->list[i].handle, NULL};
        print_row(&choice, &subject, csv.units);
    }
    return EXIT_OK;
}

int query_processes(const struct targets *targets, const char *fields, struct csv csv)
{
    static struct choice choice;
    if (!choose(process_fields, sizeof process_fields / sizeof *process_fields, fields, &choice))
        return EXIT_ARGUMENT;
    for (unsigned int i = 0; i < targets->count; i++)
        must_reach(&targets->list[i]);
    if (csv.header)
        print_header(&choice);
    for (unsigned int i = 0; i < targets->count; i++) {
        nvmlProcessInfo_t list[64];
        unsigned int found = process_list(targets->list[i].handle, list, 64);
        for (unsigned int p = 0; p < found; p++) {
            struct subject subject = {targets, targets->list[i].index, targets->list[i].handle, &list[p]};
            print_row(&choice, &subject, csv.units);
        }
    }
    return EXIT_OK;
}

int help_query_gpu(void)
{
    printf("List of valid properties to query for the switch \"--query-gpu\":\n\n");
    for (size_t i = 0; i < sizeof gpu_fields / sizeof *gpu_fields; i++)
        printf(gpu_fields[i].alias ? "\"%s\" or \"%s\"\n\n" : "\"%s\"\n\n", gpu_fields[i].name, gpu_fields[i].alias);
    return EXIT_OK;
}
