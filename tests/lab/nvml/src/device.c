/* What a GPU is and how it runs: identity, memory, temperatures, power, clocks, PCIe. */
#include "session.h"

#include <string.h>

#define TEXT_QUERY(function, field) \
    API nvmlReturn_t function(nvmlDevice_t device, char *text, unsigned int length) \
    { \
        const struct gpu *gpu; \
        nvmlReturn_t result = enter(device, WHOLE, &gpu); \
        return result != NVML_SUCCESS ? result : give_opt_text(&gpu->field, text, length); \
    }

#define U32_QUERY(function, field) \
    API nvmlReturn_t function(nvmlDevice_t device, unsigned int *value) \
    { \
        const struct gpu *gpu; \
        nvmlReturn_t result = enter(device, WHOLE, &gpu); \
        return result != NVML_SUCCESS ? result : give_u32(&gpu->field, value); \
    }

#define U64_QUERY(function, field) \
    API nvmlReturn_t function(nvmlDevice_t device, uint64_t *value) \
    { \
        const struct gpu *gpu; \
        nvmlReturn_t result = enter(device, WHOLE, &gpu); \
        return result != NVML_SUCCESS ? result : give_u64(&gpu->field, value); \
    }

TEXT_QUERY(nvmlDeviceGetSerial, serial)
TEXT_QUERY(nvmlDeviceGetVbiosVersion, vbios)
TEXT_QUERY(nvmlDeviceGetBoardPartNumber, board_part)
TEXT_QUERY(nvmlDeviceGetInforomImageVersion, inforom)
U32_QUERY(nvmlDeviceGetMinorNumber, minor_number)
U32_QUERY(nvmlDeviceGetArchitecture, architecture)
U32_QUERY(nvmlDeviceGetPersistenceMode, persistence_mode)
U32_QUERY(nvmlDeviceGetComputeMode, compute_mode)
U32_QUERY(nvmlDeviceGetPerformanceState, performance_state)
U32_QUERY(nvmlDeviceGetPowerUsage, power_usage)
U32_QUERY(nvmlDeviceGetEnforcedPowerLimit, power_enforced_limit)
U32_QUERY(nvmlDeviceGetPowerManagementLimit, power_limit)
U32_QUERY(nvmlDeviceGetPowerManagementDefaultLimit, power_default_limit)
U64_QUERY(nvmlDeviceGetTotalEnergyConsumption, energy)
U64_QUERY(nvmlDeviceGetCurrentClocksThrottleReasons, throttle_reasons)
U64_QUERY(nvmlDeviceGetCurrentClocksEventReasons, throttle_reasons)
U64_QUERY(nvmlDeviceGetSupportedClocksThrottleReasons, throttle_supported)
U64_QUERY(nvmlDeviceGetSupportedClocksEventReasons, throttle_supported)
U32_QUERY(nvmlDeviceGetCurrPcieLinkGeneration, pcie_generation)
U32_QUERY(nvmlDeviceGetCurrPcieLinkWidth, pcie_width)
U32_QUERY(nvmlDeviceGetMaxPcieLinkGeneration, pcie_max_generation)
U32_QUERY(nvmlDeviceGetMaxPcieLinkWidth, pcie_max_width)
U32_QUERY(nvmlDeviceGetPcieReplayCounter, pcie_replays)

API nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *text, unsigned int length)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE | INSTANCE, &gpu);
    if (result != NVML_SUCCESS || device->mig == -1)
        return result != NVML_SUCCESS ? result : give_opt_text(&gpu->name, text, length);
    char full[TEXT + 40];
    strcpy(full, gpu->name.value);
    strcat(full, " MIG ");
    strcat(full, gpu->migs[device->mig].profile);
    return give_text(full, text, length);
}

API nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *text, unsigned int length)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE | INSTANCE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    return device->mig == -1 ? give_opt_text(&gpu->uuid, text, length)
                             : give_text(gpu->migs[device->mig].uuid, text, length);
}

API nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (pci == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (gpu->bus_id.error != NVML_SUCCESS)
        return gpu->bus_id.error;
    fill_pci(gpu->bus_id.value, pci);
    pci->pciDeviceId = (unsigned int)gpu->pci_device_id.value;
    pci->pciSubSystemId = (unsigned int)gpu->pci_subsystem_id.value;
    return NVML_SUCCESS;
}

API nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    result = give_u32(&gpu->compute_major, (unsigned int *)major);
    return result != NVML_SUCCESS ? result : give_u32(&gpu->compute_minor, (unsigned int *)minor);
}

/* The first version of the call counts what the driver reserves as used; the second tells them apart. */
API nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    nvmlMemory_v2_t full = {.version = VERSIONED(nvmlMemory_v2_t, 2)};
    nvmlReturn_t result = nvmlDeviceGetMemoryInfo_v2(device, &full);
    if (result != NVML_SUCCESS)
        return result;
    if (memory == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *memory = (nvmlMemory_t){full.total, full.free, full.used + full.reserved};
    return NVML_SUCCESS;
}

API nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE | INSTANCE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (memory == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (memory->version != VERSIONED(nvmlMemory_v2_t, 2))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (device->mig != -1) {
        const struct mig *mig = &gpu->migs[device->mig];
        memory->total = mig->memory_total;
        memory->used = mig->memory_used;
        memory->reserved = 0;
    } else if (gpu->memory_total.error != NVML_SUCCESS) {
        return gpu->memory_total.error;
    } else {
        memory->total = gpu->memory_total.value;
        memory->used = gpu->memory_used.value;
        memory->reserved = gpu->memory_reserved.value;
    }
    memory->free = memory->total - memory->used - memory->reserved;
    return NVML_SUCCESS;
}

API nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (utilization == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (gpu->mig_current.value == 1)
        return NVML_ERROR_NOT_SUPPORTED;
    result = give_u32(&gpu->util_gpu, &utilization->gpu);
    return result != NVML_SUCCESS ? result : give_u32(&gpu->util_memory, &utilization->memory);
}

API nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned int sensor, unsigned int *value)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    return sensor != 0 ? NVML_ERROR_INVALID_ARGUMENT : give_u32(&gpu->temperature, value);
}

API nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_v1_t *value)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (value == NULL || value->sensorType != 0)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (value->version != VERSIONED(nvmlTemperature_v1_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    return give_u32(&gpu->temperature, (unsigned int *)&value->temperature);
}

API nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, unsigned int type, unsigned int *value)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    switch (type) {
    case 0: return give_u32(&gpu->shutdown_temperature, value);
    case 1: return give_u32(&gpu->slowdown_temperature, value);
    case 2: return give_u32(&gpu->memory_max_temperature, value);
    case 3: return give_u32(&gpu->gpu_max_temperature, value);
    case 4: case 5: case 6: case 7: return NVML_ERROR_NOT_SUPPORTED;
    default: return NVML_ERROR_INVALID_ARGUMENT;
    }
}

API nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_v1_t *margin)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (margin == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (margin->version != VERSIONED(nvmlMarginTemperature_v1_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (gpu->margin_supported.error != NVML_SUCCESS)
        return gpu->margin_supported.error;
    margin->marginTemperature = (int)gpu->gpu_max_temperature.value - (int)gpu->temperature.value;
    return gpu->temperature.error;
}

API nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int *low, unsigned int *high)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result == NVML_SUCCESS)
        result = give_u32(&gpu->power_min_limit, low);
    return result != NVML_SUCCESS ? result : give_u32(&gpu->power_max_limit, high);
}

static nvmlReturn_t clock(nvmlDevice_t device, unsigned int type, bool highest, unsigned int *value)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (type >= NVML_CLOCKS)
        return NVML_ERROR_INVALID_ARGUMENT;
    const struct number *now[] = {&gpu->clock_graphics, &gpu->clock_sm, &gpu->clock_memory, &gpu->clock_video};
    const struct number *most[] = {&gpu->clock_max_graphics, &gpu->clock_max_sm, &gpu->clock_max_memory,
                                   &gpu->clock_max_video};
    return give_u32(highest ? most[type] : now[type], value);
}

API nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned int type, unsigned int *value)
{
    return clock(device, type, false, value);
}

API nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, unsigned int type, unsigned int *value)
{
    return clock(device, type, true, value);
}
