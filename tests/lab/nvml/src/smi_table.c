/* The short reports: the table without options, -L, nvlink and topo. */
#include "smi.h"

#include <stdio.h>
#include <string.h>

static void rule(char left, const char *parts, char fill)
{
    printf("%c", left);
    for (; *parts != '\0'; parts++)
        putchar(*parts == '-' ? fill : *parts);
    printf("\n");
}

static const char *const wide = "-----------------------------------------------------------------------------------------+";
static const char *const three = "-----------------------------------------+------------------------+----------------------+";
static const char *const closing = "-----------------------------------------+------------------------+----------------------|";

static void print_gpu(unsigned int index, nvmlDevice_t device)
{
    char name[VALUE], ecc[32] = "N/A", use[32] = "N/A", mig[32] = "N/A";
    nvmlPciInfo_t pci = {0};
    nvmlMemory_v2_t memory = {.version = VERSIONED(nvmlMemory_v2_t, 2)};
    nvmlUtilization_t busy;
    unsigned int persistence = 0, temperature = 0, state = 0, draw = 0, cap = 0, current = 0, pending = 0;
    uint64_t errors = 0;
    text_value(api.nvmlDeviceGetName, device, name);
    api.nvmlDeviceGetPciInfo_v3(device, &pci);
    api.nvmlDeviceGetPersistenceMode(device, &persistence);
    api.nvmlDeviceGetTemperature(device, 0, &temperature);
    api.nvmlDeviceGetPerformanceState(device, &state);
    api.nvmlDeviceGetPowerUsage(device, &draw);
    api.nvmlDeviceGetEnforcedPowerLimit(device, &cap);
    api.nvmlDeviceGetMemoryInfo_v2(device, &memory);
    if (api.nvmlDeviceGetTotalEccErrors(device, NVML_UNCORRECTED, NVML_VOLATILE, &errors) == NVML_SUCCESS)
        snprintf(ecc, sizeof ecc, "%lu", errors);
    if (api.nvmlDeviceGetMigMode(device, &current, &pending) == NVML_SUCCESS)
        snprintf(mig, sizeof mig, "%s", current ? "Enabled" : "Disabled");
    if (current)
        snprintf(ecc, sizeof ecc, "On");
    if (api.nvmlDeviceGetUtilizationRates(device, &busy) == NVML_SUCCESS)
        snprintf(use, sizeof use, "%u%%", busy.gpu);
    printf("|%4u  %-29.29s%4s  |   %16s Off |%21s |\n", index, name, persistence ? "On" : "Off", pci.busId, ecc);
    printf("| N/A%5uC    P%u%15uW /%5uW |%8luMiB /%7luMiB |%8s      Default |\n", temperature, state, draw / 1000,
           cap / 1000, memory.used >> 20, memory.total >> 20, use);
    printf("|%41s|%24s|%21s |\n", "", "", mig);
    rule('+', three, '-');
}

static void print_processes(const struct targets *targets)
{
    unsigned int shown = 0;
    for (unsigned int i = 0; i < targets->count; i++) {
        nvmlProcessInfo_t list[64];
        unsigned int count = process_list(targets->list[i].handle, list, 64);
        for (unsigned int p = 0; p < count; p++, shown++) {
            char name[VALUE] = "N/A", gi[16] = "N/A", ci[16] = "N/A";
            api.nvmlSystemGetProcessName(list[p].pid, name, sizeof name);
            if (list[p].gpuInstanceId != 0xffffffff) {
                snprintf(gi, sizeof gi, "%u", list[p].gpuInstanceId);
                snprintf(ci, sizeof ci, "%u", list[p].computeInstanceId);
            }
            printf("|%5u%5s%5s%17u      C   %-35.35s%8luMiB |\n", targets->list[i].index, gi, ci, list[p].pid, name,
                   list[p].usedGpuMemory >> 20);
        }
    }
    if (shown == 0)
        printf("|  %-87s|\n", "No running processes found");
}

int print_table(const struct targets *targets)
{
    char now[VALUE], driver[VALUE] = "";
    int cuda = 0;
    for (unsigned int i = 0; i < targets->count; i++)
        must_reach(&targets->list[i]);
    now_text("%a %b %e %H:%M:%S %Y", now, false);
    api.nvmlSystemGetDriverVersion(driver, sizeof driver);
    api.nvmlSystemGetCudaDriverVersion_v2(&cuda);
    printf("%s       \n", now);
    rule('+', wide, '-');
    printf("| NVIDIA-SMI %-23sDriver Version: %-15sCUDA Version: %d.%-5d |\n", driver, driver, cuda / 1000, cuda % 1000 / 10);
    rule('+', three, '-');
    printf("| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |\n");
    printf("| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |\n");
    printf("|%41s|%24s|%21s |\n", "", "", "MIG M.");
    rule('|', closing, '=');
    for (unsigned int i = 0; i < targets->count; i++)
        print_gpu(targets->list[i].index, targets->list[i].handle);
    printf("\n");
    rule('+', wide, '-');
    printf("| %-88s|\n| %-88s|\n| %-88s|\n", "Processes:",
           " GPU   GI   CI              PID   Type   Process name                        GPU Memory",
           "       ID   ID                                                               Usage     ");
    printf("|=========================================================================================|\n");
    print_processes(targets);
    rule('+', wide, '-');
    return EXIT_OK;
}

static void print_instances(nvmlDevice_t device)
{
    unsigned int most = 0, shown = 0;
    char uuid[VALUE], name[VALUE];
    api.nvmlDeviceGetMaxMigDeviceCount(device, &most);
    for (unsigned int i = 0; i < most; i++) {
        nvmlDevice_t mig;
        if (api.nvmlDeviceGetMigDeviceHandleByIndex(device, i, &mig) != NVML_SUCCESS)
            continue;
        text_value(api.nvmlDeviceGetUUID, mig, uuid);
        text_value(api.nvmlDeviceGetName, mig, name);
        const char *profile = strstr(name, " MIG ");
        printf("  MIG %-11s Device %2u: (UUID: %s)\n", profile == NULL ? "" : profile + 5, shown++, uuid);
    }
}

/* The list goes on after a lost GPU, and ends with that GPU's status. */
int print_list(const struct targets *targets)
{
    int status = EXIT_OK;
    for (unsigned int i = 0; i < targets->count; i++) {
        const struct target *target = &targets->list[i];
        char name[VALUE], uuid[VALUE], bus[VALUE] = "";
        if (target->result != NVML_SUCCESS) {
            api.aamiFakeBusIdByIndex(target->index, bus, sizeof bus);
            printf("Unable to determine the device handle for gpu %s: %s%s\n", strlen(bus) > 12 ? bus + 4 : bus,
                   api.nvmlErrorString(target->result),
                   target->result == NVML_ERROR_GPU_IS_LOST ? ".  Reboot the system to recover this GPU" : "");
            status = target->result == NVML_ERROR_UNKNOWN ? EXIT_OTHER : target->result;
            continue;
        }
        text_value(api.nvmlDeviceGetName, target->handle, name);
        text_value(api.nvmlDeviceGetUUID, target->handle, uuid);
        printf("GPU %u: %s (UUID: %s)\n", target->index, name, uuid);
        print_instances(target->handle);
    }
    return status;
}

static bool print_links(nvmlDevice_t device, bool errors)
{
    static const char *const kinds[] = {"Replay Errors", "Recovery Errors", "CRC Errors"};
    bool any = false;
    for (unsigned int link = 0; link < NVML_NVLINK_LINKS; link++) {
        unsigned int active = 0;
        uint64_t value = 0;
        nvmlReturn_t result = api.nvmlDeviceGetNvLinkState(device, link, &active);
        if (result != NVML_SUCCESS)
            break;
        any = any || active;
        for (unsigned int kind = 0; errors && kind < 3; kind++)
            if (api.nvmlDeviceGetNvLinkErrorCounter(device, link, kind, &value) == NVML_SUCCESS)
                printf("\t Link %u: %s: %lu\n", link, kinds[kind], value);
        if (errors)
            continue;
        if (active && field_value(device, 164, link, &value, &result))
            printf("\t Link %u: %.3f GB/s\n", link, (double)value / 1000.0);
        else
            printf("\t Link %u: <inactive>\n", link);
    }
    return any;
}

int print_nvlink(const struct targets *targets, const char *what)
{
    if (*what == '\0')
        not_modelled("nvlink without -s or -e");
    for (unsigned int i = 0; i < targets->count; i++) {
        nvmlDevice_t device = must_reach(&targets->list[i]);
        unsigned int current = 0, pending = 0;
        char name[VALUE], uuid[VALUE];
        text_value(api.nvmlDeviceGetName, device, name);
        text_value(api.nvmlDeviceGetUUID, device, uuid);
        printf("GPU %u: %s (UUID: %s)\n", targets->list[i].index, name, uuid);
        api.nvmlDeviceGetMigMode(device, &current, &pending);
        if (current)
            printf("Nvlink queries are not supported for Devices in MIG mode\n");
        else if (!print_links(device, strcmp(what, "errors") == 0))
            printf("NVML: Unable to retrieve NVLink information as all links are inActive\n");
    }
    return EXIT_OK;
}

static unsigned int active_links(nvmlDevice_t device)
{
    unsigned int count = 0, active = 0;
    for (unsigned int link = 0; link < NVML_NVLINK_LINKS; link++)
        if (api.nvmlDeviceGetNvLinkState(device, link, &active) == NVML_SUCCESS)
            count += active;
    return count;
}

/* All GPUs of these shapes hang on the same switches, or on none: the matrix is what the links allow. */
int print_topology(const struct targets *targets)
{
    unsigned int links[MAX_TARGETS];
    for (unsigned int i = 0; i < targets->count; i++)
        links[i] = active_links(must_reach(&targets->list[i]));
    for (unsigned int i = 0; i < targets->count; i++)
        printf("\tGPU%u", targets->list[i].index);
    printf("\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\n");
    for (unsigned int i = 0; i < targets->count; i++) {
        printf("GPU%u", targets->list[i].index);
        for (unsigned int j = 0; j < targets->count; j++) {
            unsigned int shared = links[i] < links[j] ? links[i] : links[j];
            if (i == j)
                printf("\t X ");
            else if (shared > 0)
                printf("\tNV%u", shared);
            else
                printf("\tSYS");
        }
        printf("\t%s\t%u\t\tN/A\n", targets->list[i].index * 2 < targets->total ? "0-55" : "56-111",
               targets->list[i].index * 2 < targets->total ? 0u : 1u);
    }
    return EXIT_OK;
}
