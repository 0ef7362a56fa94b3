/* Hands values to callers the way NVML does: sizes checked, refusals passed on. */
#include "session.h"

#include <stdio.h>
#include <string.h>

nvmlReturn_t give_text(const char *from, char *to, unsigned int length)
{
    if (to == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(from) >= length)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(to, from);
    return NVML_SUCCESS;
}

nvmlReturn_t give_opt_text(const struct text *from, char *to, unsigned int length)
{
    return from->error != NVML_SUCCESS ? from->error : give_text(from->value, to, length);
}

nvmlReturn_t give_u32(const struct number *from, unsigned int *to)
{
    if (to == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (from->error == NVML_SUCCESS)
        *to = (unsigned int)from->value;
    return from->error;
}

nvmlReturn_t give_u64(const struct number *from, uint64_t *to)
{
    if (to == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (from->error == NVML_SUCCESS)
        *to = from->value;
    return from->error;
}

void fill_pci(const char *bus_id, nvmlPciInfo_t *pci)
{
    memset(pci, 0, sizeof *pci);
    if (sscanf(bus_id, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device) != 3)
        state_fault(bus_id, 0, "not a bus id");
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", pci->domain, pci->bus, pci->device);
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", pci->domain & 0xffff, pci->bus & 0xff,
             pci->device & 0xff);
}

static const struct { nvmlReturn_t code; const char *text; } errors[] = {
    {NVML_SUCCESS, "Success"},
    {NVML_ERROR_UNINITIALIZED, "Uninitialized"},
    {NVML_ERROR_INVALID_ARGUMENT, "Invalid Argument"},
    {NVML_ERROR_NOT_SUPPORTED, "Not Supported"},
    {NVML_ERROR_NO_PERMISSION, "Insufficient Permissions"},
    {NVML_ERROR_NOT_FOUND, "Not Found"},
    {NVML_ERROR_INSUFFICIENT_SIZE, "Insufficient Size"},
    {NVML_ERROR_DRIVER_NOT_LOADED, "Driver Not Loaded"},
    {NVML_ERROR_LIBRARY_NOT_FOUND, "NVML Shared Library Not Found"},
    {NVML_ERROR_FUNCTION_NOT_FOUND, "Function Not Found"},
    {NVML_ERROR_CORRUPTED_INFOROM, "Corrupted infoROM"},
    {NVML_ERROR_GPU_IS_LOST, "GPU is lost"},
    {NVML_ERROR_LIB_RM_VERSION_MISMATCH, "Driver/library version mismatch"},
    {NVML_ERROR_ARGUMENT_VERSION_MISMATCH, "Argument version mismatch"},
};

API const char *nvmlErrorString(nvmlReturn_t result)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == result)
            return errors[i].text;
    return "Unknown Error";
}

API nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    if (!session_open())
        return NVML_ERROR_UNINITIALIZED;
    nvmlReturn_t result = give_text(hold_node()->driver_version, version, length);
    release_node();
    return result;
}

/* The library's own version: real NVML tells it before nvmlInit and after a version mismatch too. */
API nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    nvmlReturn_t result = give_text(hold_node()->nvml_version, version, length);
    release_node();
    return result;
}

API nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    if (version == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *version = hold_node()->cuda_version;
    release_node();
    return NVML_SUCCESS;
}

API nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) { return nvmlSystemGetCudaDriverVersion(version); }

static nvmlReturn_t process_name(const struct node *node, unsigned int pid, char *name, unsigned int length)
{
    for (unsigned int slot = 0; slot < node->count; slot++)
        for (unsigned int i = 0; i < node->gpus[slot].process_count; i++)
            if (node->gpus[slot].processes[i].pid == pid) {
                snprintf(name, length, "%s", node->gpus[slot].processes[i].name);
                return NVML_SUCCESS;
            }
    return NVML_ERROR_NOT_FOUND;
}

API nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length)
{
    if (!session_open())
        return NVML_ERROR_UNINITIALIZED;
    if (name == NULL || length == 0)
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t result = process_name(hold_node(), pid, name, length);
    release_node();
    return result;
}
