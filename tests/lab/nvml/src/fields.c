/* nvmlDeviceGetFieldValues: values by number, each with its own answer. */
#include "session.h"

#include <stddef.h>
#include <time.h>

struct plain { unsigned int id, type; size_t offset; };

#define ROW(id, type, field) {id, NVML_VALUE_##type, offsetof(struct gpu, field)}

static const struct plain plain[] = {
    ROW(1, UINT, ecc_current), ROW(2, UINT, ecc_pending),
    ROW(11, ULL, ecc_volatile_corrected_dram), ROW(12, ULL, ecc_volatile_uncorrected_dram),
    ROW(22, ULL, ecc_aggregate_corrected_dram), ROW(23, ULL, ecc_aggregate_uncorrected_dram),
    ROW(31, UINT, retired_pending), ROW(74, ULL, throttle_power_us), ROW(82, UINT, memory_temperature),
    ROW(83, ULL, energy), ROW(94, UINT, pcie_replays),
    ROW(142, UINT, remap_corrected), ROW(143, UINT, remap_uncorrected), ROW(144, UINT, remap_pending),
    ROW(145, UINT, remap_failure),
    ROW(185, UINT, power_usage), ROW(186, UINT, power_usage), ROW(187, UINT, power_min_limit),
    ROW(188, UINT, power_max_limit), ROW(189, UINT, power_default_limit), ROW(190, UINT, power_enforced_limit),
    ROW(192, UINT, power_limit),
    ROW(193, INT, shutdown_tlimit), ROW(194, INT, slowdown_tlimit), ROW(195, INT, memory_max_tlimit),
    ROW(196, INT, gpu_max_tlimit),
    ROW(230, UINT, recovery_action),
    ROW(269, ULL, throttle_sw_thermal_us), ROW(270, ULL, throttle_hw_thermal_us),
    ROW(271, ULL, throttle_power_brake_us),
};

/* Sums of DRAM and SRAM: id, error type, counter. */
static const struct { unsigned int id, type, counter; } totals[] = {
    {3, NVML_CORRECTED, NVML_VOLATILE}, {4, NVML_UNCORRECTED, NVML_VOLATILE},
    {5, NVML_CORRECTED, NVML_AGGREGATE}, {6, NVML_UNCORRECTED, NVML_AGGREGATE},
};

enum link_value { REPLAY, RECOVERY, CRC, STATE, SPEED, VERSION, SYMBOL, PORT_RECOVERY, NONE };
enum scope { ONE_LINK, ALL_LINKS, PORT };

static const struct { unsigned int id; enum scope scope; enum link_value value; } link_fields[] = {
    {38, ALL_LINKS, CRC}, {45, ALL_LINKS, NONE}, {52, ALL_LINKS, REPLAY}, {59, ALL_LINKS, RECOVERY},
    {161, ONE_LINK, REPLAY}, {162, ONE_LINK, RECOVERY}, {163, ONE_LINK, CRC}, {164, ONE_LINK, SPEED},
    {165, ONE_LINK, STATE}, {166, ONE_LINK, VERSION},
    {208, PORT, NONE}, {214, PORT, NONE}, {215, PORT, PORT_RECOVERY}, {221, PORT, SYMBOL},
};

static uint64_t link_value(const struct gpu *gpu, const struct link *link, enum link_value value)
{
    switch (value) {
    case REPLAY: return link->replay;
    case RECOVERY: case PORT_RECOVERY: return link->recovery;
    case CRC: return link->crc_flit;
    case STATE: return link->active;
    case SPEED: return link->active ? gpu->nvlink_speed_mbps.value : 0;
    case VERSION: return gpu->nvlink_version.value;
    case SYMBOL: return link->symbol;
    default: return 0;
    }
}

static void set(nvmlFieldValue_t *field, unsigned int type, uint64_t value)
{
    field->valueType = type;
    field->nvmlReturn = NVML_SUCCESS;
    if (type == NVML_VALUE_ULL)
        field->value.ullVal = value;
    else
        field->value.uiVal = (unsigned int)value;
}

static bool from_links(const struct gpu *gpu, nvmlFieldValue_t *field)
{
    for (size_t i = 0; i < sizeof link_fields / sizeof *link_fields; i++) {
        if (link_fields[i].id != field->fieldId)
            continue;
        bool counters = link_fields[i].scope == PORT ? gpu->nvlink_port_counters.value == 1
            : link_fields[i].value >= STATE && link_fields[i].value <= VERSION
                ? true : gpu->nvlink_error_counters.value == 1;
        bool one = link_fields[i].scope != ALL_LINKS;
        if (gpu->link_count == 0 || gpu->mig_current.value == 1 || !counters)
            return true;
        if (one && field->scopeId >= gpu->link_count) {
            field->nvmlReturn = NVML_ERROR_INVALID_ARGUMENT;
            return true;
        }
        uint64_t sum = 0;
        for (unsigned int link = 0; link < gpu->link_count; link++)
            if (!one || link == field->scopeId)
                sum += link_value(gpu, &gpu->links[link], link_fields[i].value);
        set(field, link_fields[i].value >= STATE && link_fields[i].value <= VERSION ? NVML_VALUE_UINT : NVML_VALUE_ULL,
            sum);
        return true;
    }
    return false;
}

static bool from_totals(nvmlDevice_t device, nvmlFieldValue_t *field)
{
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
        uint64_t value = 0;
        if (totals[i].id != field->fieldId)
            continue;
        nvmlReturn_t result = nvmlDeviceGetTotalEccErrors(device, totals[i].type, totals[i].counter, &value);
        if (result == NVML_SUCCESS)
            set(field, NVML_VALUE_ULL, value);
        else
            field->nvmlReturn = result;
        return true;
    }
    return false;
}

static void from_plain(const struct gpu *gpu, nvmlFieldValue_t *field)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (plain[i].id != field->fieldId)
            continue;
        const struct number *number = (const struct number *)((const char *)gpu + plain[i].offset);
        if (number->error == NVML_SUCCESS)
            set(field, plain[i].type, number->value);
        else
            field->nvmlReturn = number->error;
        return;
    }
}

API nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (values == NULL || count < 1)
        return NVML_ERROR_INVALID_ARGUMENT;
    struct gpu now = *gpu;
    for (int i = 0; i < count; i++) {
        nvmlFieldValue_t *field = &values[i];
        struct timespec time;
        clock_gettime(CLOCK_REALTIME, &time);
        field->timestamp = (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
        field->latencyUsec = 0;
        field->nvmlReturn = field->fieldId == 0 || field->fieldId >= NVML_FIELD_IDS ? NVML_ERROR_INVALID_ARGUMENT
                                                                                    : NVML_ERROR_NOT_SUPPORTED;
        if (field->fieldId == 91 && now.link_count > 0)
            set(field, NVML_VALUE_UINT, now.link_count);
        else if (!from_links(&now, field) && !from_totals(device, field))
            from_plain(&now, field);
    }
    return NVML_SUCCESS;
}
