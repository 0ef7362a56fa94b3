/* Enumeration: how handles are found.
 *
 * What a lost GPU does here: nvmlInit succeeds and the count stays, because the kernel module still has the
 * device; its index and bus id answer "GPU is lost" (or, as newer drivers do, "Unknown Error"); every query on a
 * handle taken before answers "GPU is lost"; searching by UUID or serial stops at it, as NVML's documentation
 * allows. Only a removed GPU (after a driver reload or a reboot) lowers the count and moves the indices.
 */
#include "session.h"

#include <stdio.h>
#include <string.h>

API nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    if (!session_open())
        return NVML_ERROR_UNINITIALIZED;
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *count = index_of_slot(MAX_GPUS);
    return NVML_SUCCESS;
}

API nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    if (!session_open())
        return NVML_ERROR_UNINITIALIZED;
    int slot = slot_of_index(index);
    if (device == NULL || slot == -1)
        return NVML_ERROR_INVALID_ARGUMENT;
    return take(slot, device);
}

API nvmlReturn_t aamiFakeBusIdByIndex(unsigned int index, char *text, unsigned int length)
{
    struct gpu gpu;
    int slot = slot_of_index(index);
    return slot != -1 && look(slot, &gpu) ? give_opt_text(&gpu.bus_id, text, length) : NVML_ERROR_INVALID_ARGUMENT;
}

typedef bool (*matches)(const struct gpu *gpu, const char *wanted);

static bool has_uuid(const struct gpu *gpu, const char *wanted) { return strcmp(gpu->uuid.value, wanted) == 0; }

static bool has_serial(const struct gpu *gpu, const char *wanted)
{
    return gpu->serial.error == NVML_SUCCESS && strcmp(gpu->serial.value, wanted) == 0;
}

static bool has_instance(const struct gpu *gpu, const char *wanted)
{
    for (int i = 0; i < MAX_MIGS; i++)
        if (gpu->migs[i].used && strcmp(gpu->migs[i].uuid, wanted) == 0)
            return true;
    return false;
}

/* Go through the GPUs in order; one that can't be looked at ends the search with its own error. */
static nvmlReturn_t search(matches match, const char *wanted, nvmlDevice_t *device)
{
    struct gpu gpu;
    if (!session_open())
        return NVML_ERROR_UNINITIALIZED;
    if (wanted == NULL || device == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int index = 0;; index++) {
        int slot = slot_of_index(index);
        if (slot == -1)
            return NVML_ERROR_NOT_FOUND;
        nvmlDevice_t candidate;
        nvmlReturn_t result = take(slot, &candidate);
        if (result == NVML_ERROR_NO_PERMISSION && !(look(slot, &gpu) && match(&gpu, wanted)))
            continue;
        if (result != NVML_SUCCESS)
            return result;
        if (look(slot, &gpu) && match(&gpu, wanted)) {
            *device = candidate;
            return NVML_SUCCESS;
        }
    }
}

API nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    if (uuid == NULL || strncmp(uuid, "MIG-", 4) != 0)
        return search(has_uuid, uuid, device);
    nvmlReturn_t result = search(has_instance, uuid, device);
    if (result != NVML_SUCCESS)
        return result;
    struct gpu gpu;
    int slot = (*device)->slot;
    if (!look(slot, &gpu))
        return NVML_ERROR_GPU_IS_LOST;
    for (unsigned int i = 0; i < MAX_MIGS; i++)
        if (gpu.migs[i].used && strcmp(gpu.migs[i].uuid, uuid) == 0)
            return nvmlDeviceGetMigDeviceHandleByIndex(*device, i, device);
    return NVML_ERROR_NOT_FOUND;
}

API nvmlReturn_t nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device)
{
    return search(has_serial, serial, device);
}

static bool parse_bus_id(const char *text, unsigned int *domain, unsigned int *bus, unsigned int *device)
{
    unsigned int function = 0;
    char rest;
    *domain = 0;
    if (sscanf(text, "%x:%x:%x.%x%c", domain, bus, device, &function, &rest) == 4)
        return function == 0;
    if (sscanf(text, "%x:%x:%x%c", domain, bus, device, &rest) == 3)
        return true;
    *domain = 0;
    return sscanf(text, "%x:%x.%x%c", bus, device, &function, &rest) == 3 && function == 0;
}

API nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, nvmlDevice_t *device)
{
    unsigned int domain, bus, number;
    if (!session_open())
        return NVML_ERROR_UNINITIALIZED;
    if (bus_id == NULL || device == NULL || !parse_bus_id(bus_id, &domain, &bus, &number))
        return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int index = 0;; index++) {
        struct gpu gpu;
        nvmlPciInfo_t pci;
        int slot = slot_of_index(index);
        if (slot == -1)
            return NVML_ERROR_NOT_FOUND;
        if (!look(slot, &gpu))
            continue;
        fill_pci(gpu.bus_id.value, &pci);
        if (pci.domain == domain && pci.bus == bus && pci.device == number)
            return take(slot, device);
    }
}

API nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE | INSTANCE, &gpu);
    if (result == NVML_SUCCESS && index == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_SUCCESS)
        *index = device->mig == -1 ? index_of_slot(device->slot) : (unsigned int)device->mig;
    return result;
}

API nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *mig)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (gpu->mig_current.error != NVML_SUCCESS)
        return gpu->mig_current.error;
    if (mig == NULL || index >= gpu->mig_max.value || index >= MAX_MIGS)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (!gpu->migs[index].used)
        return NVML_ERROR_NOT_FOUND;
    *mig = issue(device->slot, (int)index);
    return NVML_SUCCESS;
}

API nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t mig, nvmlDevice_t *device)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(mig, INSTANCE, &gpu);
    if (result == NVML_SUCCESS && device == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_SUCCESS)
        *device = issue(mig->slot, -1);
    return result;
}

API nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *yes)
{
    if (!session_open())
        return NVML_ERROR_UNINITIALIZED;
    if (!ours(device) || yes == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *yes = device->mig != -1;
    return NVML_SUCCESS;
}
