/* The fake nvidia-smi: a small program over whatever libnvidia-ml.so.1 the loader finds, as the real one is. */
#ifndef AAMI_FAKE_SMI_H
#define AAMI_FAKE_SMI_H

#include <stdbool.h>
#include <stddef.h>

#include "abi.h"

#define SMI_CALLS(X) \
    X(nvmlInitWithFlags) X(nvmlShutdown) X(nvmlErrorString) X(nvmlSystemGetDriverVersion) \
    X(nvmlSystemGetNVMLVersion) X(nvmlSystemGetCudaDriverVersion_v2) X(nvmlSystemGetProcessName) \
    X(nvmlDeviceGetCount_v2) X(nvmlDeviceGetHandleByIndex_v2) X(nvmlDeviceGetName) X(nvmlDeviceGetUUID) \
    X(nvmlDeviceGetSerial) X(nvmlDeviceGetVbiosVersion) X(nvmlDeviceGetBoardPartNumber) \
    X(nvmlDeviceGetInforomImageVersion) X(nvmlDeviceGetPciInfo_v3) X(nvmlDeviceGetMinorNumber) \
    X(nvmlDeviceGetArchitecture) X(nvmlDeviceGetCudaComputeCapability) X(nvmlDeviceGetPersistenceMode) \
    X(nvmlDeviceGetComputeMode) X(nvmlDeviceGetPerformanceState) X(nvmlDeviceGetMemoryInfo_v2) \
    X(nvmlDeviceGetUtilizationRates) X(nvmlDeviceGetTemperature) X(nvmlDeviceGetTemperatureThreshold) \
    X(nvmlDeviceGetMarginTemperature) X(nvmlDeviceGetPowerUsage) X(nvmlDeviceGetEnforcedPowerLimit) \
    X(nvmlDeviceGetPowerManagementLimit) X(nvmlDeviceGetPowerManagementDefaultLimit) \
    X(nvmlDeviceGetPowerManagementLimitConstraints) X(nvmlDeviceGetClockInfo) X(nvmlDeviceGetMaxClockInfo) \
    X(nvmlDeviceGetCurrentClocksEventReasons) X(nvmlDeviceGetSupportedClocksEventReasons) \
    X(nvmlDeviceGetCurrPcieLinkGeneration) X(nvmlDeviceGetCurrPcieLinkWidth) \
    X(nvmlDeviceGetMaxPcieLinkGeneration) X(nvmlDeviceGetMaxPcieLinkWidth) X(nvmlDeviceGetPcieReplayCounter) \
    X(nvmlDeviceGetEccMode) X(nvmlDeviceGetTotalEccErrors) X(nvmlDeviceGetMemoryErrorCounter) \
    X(nvmlDeviceGetSramEccErrorStatus) X(nvmlDeviceGetRemappedRows) X(nvmlDeviceGetRowRemapperHistogram) \
    X(nvmlDeviceGetRetiredPages_v2) X(nvmlDeviceGetRetiredPagesPendingStatus) X(nvmlDeviceGetNvLinkState) \
    X(nvmlDeviceGetNvLinkErrorCounter) X(nvmlDeviceGetGpuFabricInfoV) X(nvmlDeviceGetFieldValues) \
    X(nvmlDeviceGetMigMode) X(nvmlDeviceGetMaxMigDeviceCount) X(nvmlDeviceGetMigDeviceHandleByIndex) \
    X(nvmlDeviceGetGpuInstanceId) X(nvmlDeviceGetComputeInstanceId) X(nvmlDeviceGetAttributes_v2) \
    X(nvmlDeviceGetComputeRunningProcesses_v3) X(aamiFakeBusIdByIndex)

struct api {
#define FIELD(name) __typeof__(name) *name;
    SMI_CALLS(FIELD)
#undef FIELD
};

extern struct api api;

/* Exit statuses: the documented ones of nvidia-smi, and our own for what is real but not modelled here. */
enum { EXIT_OK = 0, EXIT_ARGUMENT = 2, EXIT_NOT_FOUND = 6, EXIT_OTHER = 255, EXIT_NOT_MODELLED = 70 };

enum { VALUE = 160, MAX_TARGETS = 16 };

struct target { unsigned int index; nvmlDevice_t handle; nvmlReturn_t result; };

struct targets { unsigned int total, count; struct target list[MAX_TARGETS]; };

struct csv { bool header, units; };

/* What a value that could not be read looks like: N/A, or the error's own words. */
const char *refusal(nvmlReturn_t result);

/* Values for texts: each fills `out` and says whether it is a value (false: a refusal). */
bool text_value(nvmlReturn_t (*call)(nvmlDevice_t, char *, unsigned int), nvmlDevice_t device, char *out);
bool field_value(nvmlDevice_t device, unsigned int id, unsigned int scope, uint64_t *value, nvmlReturn_t *result);
const char *recovery_name(uint64_t action);
unsigned int process_list(nvmlDevice_t device, nvmlProcessInfo_t *list, unsigned int room);
void now_text(const char *format, char *out, bool milliseconds);
_Noreturn void not_modelled(const char *what);

/* The handle of a target, or the message of a lost GPU and the end of the program. */
nvmlDevice_t must_reach(const struct target *target);

int query_gpus(const struct targets *targets, const char *fields, struct csv csv);
int query_processes(const struct targets *targets, const char *fields, struct csv csv);
int query_remapped(const struct targets *targets, const char *fields, struct csv csv);
int help_query_gpu(void);
int print_log(const struct targets *targets, const char *displays);
int print_table(const struct targets *targets);
int print_list(const struct targets *targets);
int print_nvlink(const struct targets *targets, const char *what);
int print_topology(const struct targets *targets);

#endif
