/* NVLink, the fabric, MIG instances and the processes that compute. */
#include "session.h"

#include <string.h>

/* Links past the card's own are "not supported", links past NVML's are no links; MIG hides them all. */
static nvmlReturn_t enter_link(nvmlDevice_t device, unsigned int number, const struct gpu **gpu, const struct link **link)
{
    nvmlReturn_t result = enter(device, WHOLE, gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (number >= NVML_NVLINK_LINKS)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (number >= (*gpu)->link_count || (*gpu)->mig_current.value == 1)
        return NVML_ERROR_NOT_SUPPORTED;
    *link = &(*gpu)->links[number];
    return NVML_SUCCESS;
}

API nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int number, unsigned int *active)
{
    const struct gpu *gpu;
    const struct link *link;
    nvmlReturn_t result = enter_link(device, number, &gpu, &link);
    if (result == NVML_SUCCESS && active == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_SUCCESS)
        *active = link->active;
    return result;
}

API nvmlReturn_t nvmlDeviceGetNvLinkVersion(nvmlDevice_t device, unsigned int number, unsigned int *version)
{
    const struct gpu *gpu;
    const struct link *link;
    nvmlReturn_t result = enter_link(device, number, &gpu, &link);
    return result != NVML_SUCCESS ? result : give_u32(&gpu->nvlink_version, version);
}

/* Blackwell has no such counters any more: there the ports' counters answer, by field id. */
API nvmlReturn_t nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned int number, unsigned int counter, uint64_t *value)
{
    const struct gpu *gpu;
    const struct link *link;
    nvmlReturn_t result = enter_link(device, number, &gpu, &link);
    if (result != NVML_SUCCESS)
        return result;
    if (gpu->nvlink_error_counters.value == 0)
        return NVML_ERROR_NOT_SUPPORTED;
    const uint64_t values[] = {link->replay, link->recovery, link->crc_flit, link->crc_data};
    if (value == NULL || counter > 4)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (counter == 4)
        return NVML_ERROR_NOT_SUPPORTED;
    *value = values[counter];
    return NVML_SUCCESS;
}

API nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int number, nvmlPciInfo_t *pci)
{
    const struct gpu *gpu;
    const struct link *link;
    nvmlReturn_t result = enter_link(device, number, &gpu, &link);
    if (result != NVML_SUCCESS)
        return result;
    if (pci == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (!link->active)
        return NVML_ERROR_NOT_SUPPORTED;
    fill_pci(link->remote_bus_id, pci);
    return NVML_SUCCESS;
}

API nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(nvmlDevice_t device, unsigned int number, unsigned int *type)
{
    const struct gpu *gpu;
    const struct link *link;
    nvmlReturn_t result = enter_link(device, number, &gpu, &link);
    if (result == NVML_SUCCESS && type == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_SUCCESS)
        *type = link->remote_type;
    return result;
}

API nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, void *info)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (info == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    unsigned int version = *(unsigned int *)info;
    bool third = version == VERSIONED(nvmlGpuFabricInfo_v3_t, 3);
    if (!third && version != VERSIONED(nvmlGpuFabricInfo_v2_t, 2))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (gpu->fabric_state.error != NVML_SUCCESS)
        return gpu->fabric_state.error;
    nvmlGpuFabricInfo_v3_t answer = {
        .version = version,
        .status = (nvmlReturn_t)gpu->fabric_status.value,
        .cliqueId = (unsigned int)gpu->fabric_clique.value,
        .state = (unsigned char)gpu->fabric_state.value,
        .healthMask = (unsigned int)gpu->fabric_health_mask.value,
        .healthSummary = (unsigned char)gpu->fabric_health_summary.value,
    };
    memcpy(info, &answer, third ? sizeof answer : sizeof(nvmlGpuFabricInfo_v2_t));
    return NVML_SUCCESS;
}

API nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result == NVML_SUCCESS)
        result = give_u32(&gpu->mig_current, current);
    return result != NVML_SUCCESS ? result : give_u32(&gpu->mig_pending, pending);
}

API nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE, &gpu);
    if (result == NVML_SUCCESS && count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_SUCCESS)
        *count = gpu->mig_current.value == 1 ? (unsigned int)gpu->mig_max.value : 0;
    return result;
}

API nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *id)
{
    const struct gpu *gpu;
    const struct mig *mig;
    nvmlReturn_t result = enter_mig(device, &gpu, &mig);
    if (result == NVML_SUCCESS && id == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_SUCCESS)
        *id = mig->gpu_instance;
    return result;
}

API nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *id)
{
    const struct gpu *gpu;
    const struct mig *mig;
    nvmlReturn_t result = enter_mig(device, &gpu, &mig);
    if (result == NVML_SUCCESS && id == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (result == NVML_SUCCESS)
        *id = mig->compute_instance;
    return result;
}

API nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
    const struct gpu *gpu;
    const struct mig *mig;
    nvmlReturn_t result = enter_mig(device, &gpu, &mig);
    if (result != NVML_SUCCESS)
        return result;
    if (attributes == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *attributes = (nvmlDeviceAttributes_t){
        .multiprocessorCount = mig->multiprocessors,
        .sharedCopyEngineCount = mig->gpu_slices,
        .sharedDecoderCount = mig->gpu_slices,
        .sharedJpegCount = mig->gpu_slices,
        .gpuInstanceSliceCount = mig->gpu_slices,
        .computeInstanceSliceCount = mig->compute_slices,
        .memorySizeMB = mig->memory_total >> 20,
    };
    return NVML_SUCCESS;
}

static bool belongs(const struct process *process, const struct gpu *gpu, int mig)
{
    return mig == -1 || (process->gpu_instance == gpu->migs[mig].gpu_instance
                         && process->compute_instance == gpu->migs[mig].compute_instance);
}

API nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *processes)
{
    const struct gpu *gpu;
    nvmlReturn_t result = enter(device, WHOLE | INSTANCE, &gpu);
    if (result != NVML_SUCCESS)
        return result;
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    unsigned int found = 0, room = processes == NULL ? 0 : *count;
    for (unsigned int i = 0; i < gpu->process_count; i++) {
        const struct process *process = &gpu->processes[i];
        if (!belongs(process, gpu, device->mig))
            continue;
        if (found < room)
            processes[found] = (nvmlProcessInfo_t){process->pid, process->memory, process->gpu_instance,
                                                   process->compute_instance};
        found++;
    }
    *count = found;
    return found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}
