/* The long report: nvidia-smi -q, whole or with -d SECTION[,SECTION]. */
#include "smi.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_WIDTH = 55, STEP = 4 };

static void head(int depth, const char *key) { printf("%*s%s\n", depth * STEP, "", key); }

__attribute__((format(printf, 3, 4)))
static void line(int depth, const char *key, const char *format, ...)
{
    va_list arguments;
    printf("%*s%-*s: ", depth * STEP, "", KEY_WIDTH - depth * STEP, key);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

static void number(int depth, const char *key, nvmlReturn_t result, uint64_t value, const char *unit)
{
    if (result == NVML_SUCCESS)
        line(depth, key, "%lu%s", value, unit);
    else
        line(depth, key, "%s", refusal(result));
}

static void word(int depth, const char *key, nvmlReturn_t result, unsigned int value, const char *no, const char *yes)
{
    line(depth, key, "%s", result != NVML_SUCCESS ? refusal(result) : value ? yes : no);
}

static void text(int depth, const char *key, nvmlReturn_t (*call)(nvmlDevice_t, char *, unsigned int), nvmlDevice_t device)
{
    char value[VALUE];
    text_value(call, device, value);
    line(depth, key, "%s", value);
}

static const char *architecture(unsigned int number)
{
    switch (number) {
    case 5: return "Volta";
    case 7: return "Ampere";
    case 8: return "Ada Lovelace";
    case 9: return "Hopper";
    case 10: return "Blackwell";
    default: return "Unknown";
    }
}

static void mig_devices(nvmlDevice_t device)
{
    unsigned int most = 0, gi = 0, ci = 0;
    api.nvmlDeviceGetMaxMigDeviceCount(device, &most);
    for (unsigned int i = 0; i < most; i++) {
        nvmlDevice_t mig;
        nvmlMemory_v2_t memory = {.version = VERSIONED(nvmlMemory_v2_t, 2)};
        if (api.nvmlDeviceGetMigDeviceHandleByIndex(device, i, &mig) != NVML_SUCCESS)
            continue;
        api.nvmlDeviceGetGpuInstanceId(mig, &gi);
        api.nvmlDeviceGetComputeInstanceId(mig, &ci);
        api.nvmlDeviceGetMemoryInfo_v2(mig, &memory);
        head(1, "MIG Device");
        line(2, "Index", "%u", i);
        line(2, "GPU Instance ID", "%u", gi);
        line(2, "Compute Instance ID", "%u", ci);
        head(2, "FB Memory Usage");
        line(3, "Total", "%lu MiB", memory.total >> 20);
        line(3, "Used", "%lu MiB", memory.used >> 20);
        line(3, "Free", "%lu MiB", memory.free >> 20);
    }
}

static void identity(nvmlDevice_t device)
{
    unsigned int value = 0, pending = 0;
    uint64_t action;
    nvmlReturn_t result;
    text(1, "Product Name", api.nvmlDeviceGetName, device);
    line(1, "Product Brand", "NVIDIA");
    result = api.nvmlDeviceGetArchitecture(device, &value);
    line(1, "Product Architecture", "%s", result == NVML_SUCCESS ? architecture(value) : refusal(result));
    result = api.nvmlDeviceGetPersistenceMode(device, &value);
    word(1, "Persistence Mode", result, value, "Disabled", "Enabled");
    result = api.nvmlDeviceGetMigMode(device, &value, &pending);
    head(1, "MIG Mode");
    word(2, "Current", result, value, "Disabled", "Enabled");
    word(2, "Pending", result, pending, "Disabled", "Enabled");
    mig_devices(device);
    text(1, "Serial Number", api.nvmlDeviceGetSerial, device);
    text(1, "GPU UUID", api.nvmlDeviceGetUUID, device);
    result = api.nvmlDeviceGetMinorNumber(device, &value);
    number(1, "Minor Number", result, value, "");
    text(1, "VBIOS Version", api.nvmlDeviceGetVbiosVersion, device);
    text(1, "Board Part Number", api.nvmlDeviceGetBoardPartNumber, device);
    head(1, "Inforom Version");
    text(2, "Image Version", api.nvmlDeviceGetInforomImageVersion, device);
    if (field_value(device, 230, 0, &action, &result))
        line(1, "GPU Recovery Action", "%s", recovery_name(action));
    else
        line(1, "GPU Recovery Action", "%s", refusal(result));
}

static void pci(nvmlDevice_t device)
{
    nvmlPciInfo_t info = {0};
    unsigned int now = 0, most = 0;
    nvmlReturn_t result = api.nvmlDeviceGetPciInfo_v3(device, &info);
    head(1, "PCI");
    if (result == NVML_SUCCESS) {
        line(2, "Bus", "0x%02X", info.bus);
        line(2, "Device", "0x%02X", info.device);
        line(2, "Domain", "0x%04X", info.domain);
        line(2, "Device Id", "0x%08X", info.pciDeviceId);
        line(2, "Bus Id", "%s", info.busId);
        line(2, "Sub System Id", "0x%08X", info.pciSubSystemId);
    }
    head(2, "GPU Link Info");
    head(3, "PCIe Generation");
    result = api.nvmlDeviceGetMaxPcieLinkGeneration(device, &most);
    number(4, "Max", result, most, "");
    result = api.nvmlDeviceGetCurrPcieLinkGeneration(device, &now);
    number(4, "Current", result, now, "");
    head(3, "Link Width");
    result = api.nvmlDeviceGetMaxPcieLinkWidth(device, &most);
    number(4, "Max", result, most, "x");
    result = api.nvmlDeviceGetCurrPcieLinkWidth(device, &now);
    number(4, "Current", result, now, "x");
    result = api.nvmlDeviceGetPcieReplayCounter(device, &now);
    number(2, "Replays Since Reset", result, now, "");
}

static void performance(nvmlDevice_t device)
{
    static const struct { const char *key; uint64_t bit; int depth; } rows[] = {
        {"Idle", 0x1, 2}, {"Applications Clocks Setting", 0x2, 2}, {"SW Power Cap", 0x4, 2}, {"HW Slowdown", 0x8, 2},
        {"HW Thermal Slowdown", 0x40, 3}, {"HW Power Brake Slowdown", 0x80, 3}, {"Sync Boost", 0x10, 2},
        {"SW Thermal Slowdown", 0x20, 2}, {"Display Clock Setting", 0x100, 2},
    };
    unsigned int state = 0;
    uint64_t reasons = 0;
    nvmlReturn_t result = api.nvmlDeviceGetPerformanceState(device, &state);
    line(1, "Performance State", result == NVML_SUCCESS ? "P%u" : "N/A", state);
    result = api.nvmlDeviceGetCurrentClocksEventReasons(device, &reasons);
    head(1, "Clocks Event Reasons");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        word(rows[i].depth, rows[i].key, result, (reasons & rows[i].bit) != 0, "Not Active", "Active");
}

static void memory(nvmlDevice_t device)
{
    nvmlMemory_v2_t info = {.version = VERSIONED(nvmlMemory_v2_t, 2)};
    nvmlReturn_t result = api.nvmlDeviceGetMemoryInfo_v2(device, &info);
    head(1, "FB Memory Usage");
    number(2, "Total", result, info.total >> 20, " MiB");
    number(2, "Reserved", result, info.reserved >> 20, " MiB");
    number(2, "Used", result, info.used >> 20, " MiB");
    number(2, "Free", result, info.free >> 20, " MiB");
}

static void compute(nvmlDevice_t device)
{
    static const char *const modes[] = {"Default", "Exclusive_Thread", "Prohibited", "Exclusive_Process"};
    unsigned int mode = 0;
    nvmlReturn_t result = api.nvmlDeviceGetComputeMode(device, &mode);
    line(1, "Compute Mode", "%s", result == NVML_SUCCESS ? modes[mode & 3] : refusal(result));
}

static void utilization(nvmlDevice_t device)
{
    nvmlUtilization_t value = {0};
    nvmlReturn_t result = api.nvmlDeviceGetUtilizationRates(device, &value);
    head(1, "Utilization");
    number(2, "GPU", result, value.gpu, " %");
    number(2, "Memory", result, value.memory, " %");
}

static void ecc_counters(nvmlDevice_t device, unsigned int counter)
{
    nvmlEccSramErrorStatus_v1_t sram = {.version = VERSIONED(nvmlEccSramErrorStatus_v1_t, 1)};
    uint64_t value = 0;
    nvmlReturn_t status = api.nvmlDeviceGetSramEccErrorStatus(device, &sram);
    bool now = counter == NVML_VOLATILE;
    head(2, now ? "Volatile" : "Aggregate");
    number(3, "SRAM Correctable", status, now ? sram.volatileCor : sram.aggregateCor, "");
    number(3, "SRAM Uncorrectable Parity", status, now ? sram.volatileUncParity : sram.aggregateUncParity, "");
    number(3, "SRAM Uncorrectable SEC-DED", status, now ? sram.volatileUncSecDed : sram.aggregateUncSecDed, "");
    nvmlReturn_t result = api.nvmlDeviceGetMemoryErrorCounter(device, NVML_CORRECTED, counter, NVML_LOCATION_DRAM, &value);
    number(3, "DRAM Correctable", result, value, "");
    result = api.nvmlDeviceGetMemoryErrorCounter(device, NVML_UNCORRECTED, counter, NVML_LOCATION_DRAM, &value);
    number(3, "DRAM Uncorrectable", result, value, "");
    if (!now)
        word(3, "SRAM Threshold Exceeded", status, sram.bThresholdExceeded, "No", "Yes");
}

static void ecc(nvmlDevice_t device)
{
    unsigned int current = 0, pending = 0;
    nvmlReturn_t result = api.nvmlDeviceGetEccMode(device, &current, &pending);
    head(1, "ECC Mode");
    word(2, "Current", result, current, "Disabled", "Enabled");
    word(2, "Pending", result, pending, "Disabled", "Enabled");
    head(1, "ECC Errors");
    ecc_counters(device, NVML_VOLATILE);
    ecc_counters(device, NVML_AGGREGATE);
}

static void retired(nvmlDevice_t device)
{
    static const char *const keys[] = {"Single Bit ECC", "Double Bit ECC"};
    uint64_t addresses[64], times[64];
    unsigned int pending = 0;
    head(1, "Retired Pages");
    for (unsigned int cause = 0; cause < 2; cause++) {
        unsigned int count = 64;
        nvmlReturn_t result = api.nvmlDeviceGetRetiredPages_v2(device, cause, &count, addresses, times);
        number(2, keys[cause], result, count, "");
    }
    nvmlReturn_t result = api.nvmlDeviceGetRetiredPagesPendingStatus(device, &pending);
    word(2, "Pending Page Blacklist", result, pending, "No", "Yes");
}

static void remapped(nvmlDevice_t device)
{
    unsigned int rows[4] = {0};
    nvmlRowRemapperHistogramValues_t banks = {0};
    nvmlReturn_t result = api.nvmlDeviceGetRemappedRows(device, &rows[0], &rows[1], &rows[2], &rows[3]);
    if (result != NVML_SUCCESS) {
        line(1, "Remapped Rows", "%s", refusal(result));
        return;
    }
    head(1, "Remapped Rows");
    line(2, "Correctable Error", "%u", rows[0]);
    line(2, "Inactive Correctable Error", "0");
    line(2, "Uncorrectable Error", "%u", rows[1]);
    line(2, "Inactive Uncorrectable Error", "0");
    word(2, "Pending", result, rows[2], "No", "Yes");
    word(2, "Remapping Failure Occurred", result, rows[3], "No", "Yes");
    if (api.nvmlDeviceGetRowRemapperHistogram(device, &banks) != NVML_SUCCESS)
        return;
    head(2, "Bank Remap Availability Histogram");
    line(3, "Max", "%u bank(s)", banks.max);
    line(3, "High", "%u bank(s)", banks.high);
    line(3, "Partial", "%u bank(s)", banks.partial);
    line(3, "Low", "%u bank(s)", banks.low);
    line(3, "None", "%u bank(s)", banks.none);
}

static void temperature(nvmlDevice_t device)
{
    static const struct { const char *key; unsigned int field, threshold; const char *absolute; } limits[] = {
        {"GPU Shutdown T.Limit Temp", 193, 0, "GPU Shutdown Temp"},
        {"GPU Slowdown T.Limit Temp", 194, 1, "GPU Slowdown Temp"},
        {"GPU Max Operating T.Limit Temp", 196, 3, "GPU Max Operating Temp"},
    };
    unsigned int value = 0;
    uint64_t wide;
    nvmlMarginTemperature_v1_t margin = {.version = VERSIONED(nvmlMarginTemperature_v1_t, 1)};
    nvmlReturn_t result = api.nvmlDeviceGetTemperature(device, 0, &value);
    head(1, "Temperature");
    number(2, "GPU Current Temp", result, value, " C");
    result = api.nvmlDeviceGetMarginTemperature(device, &margin);
    line(2, "GPU T.Limit Temp", result == NVML_SUCCESS ? "%d C" : "N/A", margin.marginTemperature);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (field_value(device, limits[i].field, 0, &wide, &result)) {
            line(2, limits[i].key, "%d C", (int)wide);
            continue;
        }
        result = api.nvmlDeviceGetTemperatureThreshold(device, limits[i].threshold, &value);
        number(2, limits[i].absolute, result, value, " C");
    }
    field_value(device, 82, 0, &wide, &result);
    number(2, "Memory Current Temp", result, wide, " C");
}

static void watts(const char *key, nvmlReturn_t result, unsigned int milliwatts)
{
    if (result == NVML_SUCCESS)
        line(2, key, "%.2f W", milliwatts / 1000.0);
    else
        line(2, key, "%s", refusal(result));
}

static void power(nvmlDevice_t device)
{
    unsigned int value = 0, low = 0, high = 0;
    nvmlReturn_t result = api.nvmlDeviceGetPowerUsage(device, &value);
    head(1, "GPU Power Readings");
    watts("Average Power Draw", result, value);
    watts("Instantaneous Power Draw", result, value);
    result = api.nvmlDeviceGetEnforcedPowerLimit(device, &value);
    watts("Current Power Limit", result, value);
    result = api.nvmlDeviceGetPowerManagementLimit(device, &value);
    watts("Requested Power Limit", result, value);
    result = api.nvmlDeviceGetPowerManagementDefaultLimit(device, &value);
    watts("Default Power Limit", result, value);
    result = api.nvmlDeviceGetPowerManagementLimitConstraints(device, &low, &high);
    watts("Min Power Limit", result, low);
    watts("Max Power Limit", result, high);
}

static void clocks(nvmlDevice_t device)
{
    static const char *const keys[] = {"Graphics", "SM", "Memory", "Video"};
    unsigned int value = 0;
    for (int highest = 0; highest < 2; highest++) {
        head(1, highest ? "Max Clocks" : "Clocks");
        for (unsigned int i = 0; i < NVML_CLOCKS; i++) {
            nvmlReturn_t result = highest ? api.nvmlDeviceGetMaxClockInfo(device, i, &value)
                                          : api.nvmlDeviceGetClockInfo(device, i, &value);
            number(2, keys[i], result, value, " MHz");
        }
    }
}

static void processes(nvmlDevice_t device)
{
    nvmlProcessInfo_t list[64];
    char name[VALUE];
    unsigned int count = process_list(device, list, 64);
    if (count == 0) {
        line(1, "Processes", "None");
        return;
    }
    head(1, "Processes");
    for (unsigned int i = 0; i < count; i++) {
        bool instance = list[i].gpuInstanceId != 0xffffffff;
        line(2, "GPU instance ID", instance ? "%u" : "N/A", list[i].gpuInstanceId);
        line(2, "Compute instance ID", instance ? "%u" : "N/A", list[i].computeInstanceId);
        line(2, "Process ID", "%u", list[i].pid);
        line(3, "Type", "C");
        bool known = api.nvmlSystemGetProcessName(list[i].pid, name, sizeof name) == NVML_SUCCESS;
        line(3, "Name", "%s", known ? name : "N/A");
        line(3, "Used GPU Memory", "%lu MiB", list[i].usedGpuMemory >> 20);
    }
}

static const struct { const char *display; void (*print)(nvmlDevice_t); } sections[] = {
    {"", identity}, {"", pci}, {"PERFORMANCE", performance}, {"MEMORY", memory}, {"COMPUTE", compute},
    {"UTILIZATION", utilization}, {"ECC", ecc}, {"PAGE_RETIREMENT", retired}, {"ROW_REMAPPER", remapped},
    {"TEMPERATURE", temperature}, {"POWER", power}, {"CLOCK", clocks}, {"PIDS", processes},
};

static bool chosen(const char *displays, const char *display)
{
    char copy[VALUE], *rest;
    if (displays == NULL)
        return true;
    snprintf(copy, sizeof copy, "%s", displays);
    for (char *item = strtok_r(copy, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest))
        if (*display != '\0' && strcmp(item, display) == 0)
            return true;
    return false;
}

static void check_displays(const char *displays)
{
    char copy[VALUE], *rest;
    snprintf(copy, sizeof copy, "%s", displays);
    for (char *item = strtok_r(copy, ",", &rest); item != NULL; item = strtok_r(NULL, ",", &rest)) {
        bool known = false;
        for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
            known = known || strcmp(item, sections[i].display) == 0;
        if (!known)
            not_modelled(item);
    }
}

int print_log(const struct targets *targets, const char *displays)
{
    char value[VALUE] = "";
    int cuda = 0;
    if (displays != NULL)
        check_displays(displays);
    printf("\n==============NVSMI LOG==============\n\n");
    now_text("%a %b %e %H:%M:%S %Y", value, false);
    line(0, "Timestamp", "%s", value);
    api.nvmlSystemGetDriverVersion(value, sizeof value);
    line(0, "Driver Version", "%s", value);
    api.nvmlSystemGetCudaDriverVersion_v2(&cuda);
    line(0, "CUDA Version", "%d.%d", cuda / 1000, cuda % 1000 / 10);
    printf("\n");
    line(0, "Attached GPUs", "%u", targets->total);
    for (unsigned int i = 0; i < targets->count; i++) {
        nvmlPciInfo_t info = {0};
        nvmlDevice_t device = must_reach(&targets->list[i]);
        api.nvmlDeviceGetPciInfo_v3(device, &info);
        printf("GPU %s\n", info.busId);
        for (size_t s = 0; s < sizeof sections / sizeof *sections; s++)
            if (chosen(displays, sections[s].display))
                sections[s].print(device);
        printf("\n");
    }
    return EXIT_OK;
}
