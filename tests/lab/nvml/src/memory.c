/* Memory errors and what the driver did about them: ECC counters, remapped rows, retired pages. */
#include "session.h"

#include <string.h>

/* DRAM's and the two kinds of SRAM's counters of one error type; the corrected ones have no second SRAM kind. */
struct counters { const struct number *dram, *sram, *sram_secded; };

static struct counters counters(const struct gpu *gpu, unsigned int type, unsigned int counter)
{
    if (type == NVML_CORRECTED)
        return counter == NVML_VOLATILE
            ? (struct counters){&gpu->ecc_volatile_corrected_dram, &gpu->ecc_volatile_corrected_sram, NULL}
            : (struct counters){&gpu->ecc_aggregate_corrected_dram, &gpu->ecc_aggregate_corrected_sram, NULL};
    return counter == NVML_VOLATILE
        ? (struct counters){&gpu->ecc_volatile_uncorrected_dram, &gpu->ecc_volatile_uncorrected_sram_parity,
                            &gpu->ecc_volatile_uncorrected_sram_secded}
        : (struct counters){&gpu->ecc_aggregate_uncorrected_dram, &gpu->ecc_aggregate_uncorrected_sram_parity,
                            &gpu->ecc_aggregate_uncorrected_sram_secded};
}

static nvmlReturn_t enter_ecc(nvmlDevice_t device, unsigned int type, unsigned int counter, const struct gpu **gpu)
{
    nvmlReturn_t result = enter(device, WHOLE, gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (type > NVML_UNCORRECTED || counter > NVML_AGGREGATE)
        return NVML_ERROR_INVALID_ARGUMENT;
    if ((*gpu)->ecc_current.error != NVML_SUCCESS)
        return (*gpu)->ecc_current.error;
    return (*gpu)->ecc_current.value == 1 ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t sram(const struct counters *from, uint64_t *value)
{
    nvmlReturn_t result = give_u64(from->sram, value);
    if (result == NVML_SUCCESS && from->sram_secded != NULL)
        *value += from->sram_secded->value;
    return result;
}

API nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result == NVML_SUCCESS)
        result = give_u32(&gpu->ecc_current, current);
    return result != NVML_SUCCESS ? result : give_u32(&gpu->ecc_pending, pending);
}

API nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, unsigned int type, unsigned int counter, uint64_t *value)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter_ecc(device, type, counter, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    struct counters from = counters(gpu, type, counter);
    uint64_t cache = 0;
    result = give_u64(from.dram, value);
    if (result == NVML_SUCCESS && sram(&from, &cache) == NVML_SUCCESS)
        *value += cache;
    return result;
}

API nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, unsigned int type, unsigned int counter, unsigned int location, uint64_t *value)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter_ecc(device, type, counter, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (location >= NVML_LOCATIONS)
        return NVML_ERROR_INVALID_ARGUMENT;
    struct counters from = counters(gpu, type, counter);
    if (location == NVML_LOCATION_DRAM)
        return give_u64(from.dram, value);
    return location == NVML_LOCATION_SRAM ? sram(&from, value) : NVML_ERROR_NOT_SUPPORTED;
}

API nvmlReturn_t nvmlDeviceGetSramEccErrorStatus(nvmlDevice_t device, nvmlEccSramErrorStatus_v1_t *status)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (status == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    unsigned int version = status->version;
    if (version != VERSIONED(nvmlEccSramErrorStatus_v1_t, 1))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (gpu->ecc_sram_threshold_exceeded.error != NVML_SUCCESS)
        return gpu->ecc_sram_threshold_exceeded.error;
    *status = (nvmlEccSramErrorStatus_v1_t){
        .version = version,
        .aggregateUncParity = gpu->ecc_aggregate_uncorrected_sram_parity.value,
        .aggregateUncSecDed = gpu->ecc_aggregate_uncorrected_sram_secded.value,
        .aggregateCor = gpu->ecc_aggregate_corrected_sram.value,
        .volatileUncParity = gpu->ecc_volatile_uncorrected_sram_parity.value,
        .volatileUncSecDed = gpu->ecc_volatile_uncorrected_sram_secded.value,
        .volatileCor = gpu->ecc_volatile_corrected_sram.value,
        .aggregateUncBucketOther = gpu->ecc_aggregate_uncorrected_sram_parity.value
            + gpu->ecc_aggregate_uncorrected_sram_secded.value,
        .bThresholdExceeded = gpu->ecc_sram_threshold_exceeded.value != 0,
    };
    return NVML_SUCCESS;
}

/* A GPU with MIG instances does not tell its remapped rows. */
static bool has_instances(const struct gpu *gpu)
{
    for (int i = 0; i < MAX_MIGS; i++)
        if (gpu->migs[i].used)
            return true;
    return false;
}

API nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected, unsigned int *uncorrected, unsigned int *pending, unsigned int *failure)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (has_instances(gpu))
        return NVML_ERROR_NOT_SUPPORTED;
    const struct number *from[] = {&gpu->remap_corrected, &gpu->remap_uncorrected, &gpu->remap_pending,
                                   &gpu->remap_failure};
    unsigned int *to[] = {corrected, uncorrected, pending, failure};
    for (int i = 0; i < 4 && result == NVML_SUCCESS; i++)
        result = give_u32(from[i], to[i]);
    return result;
}

API nvmlReturn_t nvmlDeviceGetRowRemapperHistogram(nvmlDevice_t device, nvmlRowRemapperHistogramValues_t *histogram)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (histogram == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    const struct number *from[] = {&gpu->remap_banks_max, &gpu->remap_banks_high, &gpu->remap_banks_partial,
                                   &gpu->remap_banks_low, &gpu->remap_banks_none};
    unsigned int *to[] = {&histogram->max, &histogram->high, &histogram->partial, &histogram->low, &histogram->none};
    for (int i = 0; i < 5 && result == NVML_SUCCESS; i++)
        result = give_u32(from[i], to[i]);
    return result;
}

API nvmlReturn_t nvmlDeviceGetRetiredPages_v2(nvmlDevice_t device, unsigned int cause, unsigned int *count, uint64_t *addresses, uint64_t *timestamps)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (cause > 1 || count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (!gpu->retired_supported)
        return NVML_ERROR_NOT_SUPPORTED;
    unsigned int found = 0, room = *count;
    for (unsigned int i = 0; i < gpu->page_count; i++) {
        if (gpu->pages[i].cause != cause)
            continue;
        if (found < room && addresses != NULL)
            addresses[found] = gpu->pages[i].address;
        if (found < room && timestamps != NULL)
            timestamps[found] = gpu->pages[i].time;
        found++;
    }
    *count = found;
    return found > room || (found > 0 && addresses == NULL) ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

API nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, unsigned int cause, unsigned int *count, uint64_t *addresses)
{
    return nvmlDeviceGetRetiredPages_v2(device, cause, count, addresses, NULL);
}

API nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t device, unsigned int *value)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    return result != NVML_SUCCESS ? result : give_u32(&gpu->retired_pending, value);
}
