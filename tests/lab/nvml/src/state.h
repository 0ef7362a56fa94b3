/* The state file of one fake node: what every call of the fake library answers from.
 *
 * Lines of `key value`; `gpu` begins the next GPU. A key that is left out makes its query answer "not
 * supported"; a value `!15` makes it answer error 15. Anything the parser does not know stops the process:
 * a fake must not guess. tests/lab/nvml/state.py writes this file.
 */
#ifndef AAMI_FAKE_NVML_STATE_H
#define AAMI_FAKE_NVML_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

enum { MAX_GPUS = 16, MAX_MIGS = 7, MAX_PROCESSES = 64, MAX_PAGES = 64, TEXT = 96, PATH_TEXT = 256 };

struct number { uint64_t value; int error; };
struct text { char value[TEXT]; int error; };

#define GPU_TEXTS(X) X(uuid) X(name) X(serial) X(vbios) X(board_part) X(inforom) X(bus_id)

#define GPU_NUMBERS(X) \
    X(pci_device_id) X(pci_subsystem_id) X(minor_number) X(architecture) X(compute_major) X(compute_minor) \
    X(persistence_mode) X(compute_mode) X(performance_state) \
    X(memory_total) X(memory_reserved) X(memory_used) X(util_gpu) X(util_memory) \
    X(temperature) X(memory_temperature) X(shutdown_temperature) X(slowdown_temperature) \
    X(gpu_max_temperature) X(memory_max_temperature) X(margin_supported) \
    X(shutdown_tlimit) X(slowdown_tlimit) X(gpu_max_tlimit) X(memory_max_tlimit) \
    X(power_usage) X(power_limit) X(power_enforced_limit) X(power_default_limit) X(power_min_limit) \
    X(power_max_limit) X(energy) \
    X(clock_graphics) X(clock_sm) X(clock_memory) X(clock_video) \
    X(clock_max_graphics) X(clock_max_sm) X(clock_max_memory) X(clock_max_video) \
    X(throttle_reasons) X(throttle_supported) X(throttle_power_us) X(throttle_sw_thermal_us) \
    X(throttle_hw_thermal_us) X(throttle_power_brake_us) \
    X(pcie_generation) X(pcie_width) X(pcie_max_generation) X(pcie_max_width) X(pcie_replays) \
    X(ecc_current) X(ecc_pending) \
    X(ecc_volatile_corrected_dram) X(ecc_volatile_corrected_sram) X(ecc_volatile_uncorrected_dram) \
    X(ecc_volatile_uncorrected_sram_parity) X(ecc_volatile_uncorrected_sram_secded) \
    X(ecc_aggregate_corrected_dram) X(ecc_aggregate_corrected_sram) X(ecc_aggregate_uncorrected_dram) \
    X(ecc_aggregate_uncorrected_sram_parity) X(ecc_aggregate_uncorrected_sram_secded) \
    X(ecc_sram_threshold_exceeded) \
    X(remap_corrected) X(remap_uncorrected) X(remap_pending) X(remap_failure) \
    X(remap_banks_max) X(remap_banks_high) X(remap_banks_partial) X(remap_banks_low) X(remap_banks_none) \
    X(retired_pending) \
    X(nvlink_version) X(nvlink_speed_mbps) X(nvlink_error_counters) X(nvlink_port_counters) \
    X(fabric_state) X(fabric_status) X(fabric_clique) X(fabric_health_mask) X(fabric_health_summary) \
    X(mig_current) X(mig_pending) X(mig_max) X(recovery_action) \
    X(hang) X(slow_start_ms) X(slow_call_ms)

enum presence { PRESENT, LOST, UNREACHABLE, REMOVED, DENIED };
enum hang { NO_HANG, HANG_IN_CALLS, HANG_FROM_HANDLE };

struct link {
    bool active;
    uint64_t replay, recovery, crc_flit, crc_data, symbol;
    unsigned int remote_type;
    char remote_bus_id[32];
};

struct process {
    unsigned int pid;
    uint64_t memory;
    unsigned int gpu_instance, compute_instance;
    char name[TEXT];
};

struct mig {
    bool used;
    unsigned int gpu_instance, compute_instance, gpu_slices, compute_slices, multiprocessors;
    uint64_t memory_total, memory_used;
    char uuid[TEXT];
    char profile[32];
};

struct page { unsigned int cause; uint64_t address, time; };

struct gpu {
#define FIELD(name) struct text name;
    GPU_TEXTS(FIELD)
#undef FIELD
#define FIELD(name) struct number name;
    GPU_NUMBERS(FIELD)
#undef FIELD
    enum presence presence;
    char frozen_path[PATH_TEXT];
    unsigned int link_count, process_count, page_count;
    bool retired_supported;
    struct link links[NVML_NVLINK_LINKS];
    struct process processes[MAX_PROCESSES];
    struct page pages[MAX_PAGES];
    struct mig migs[MAX_MIGS];
};

struct node {
    char driver_version[TEXT], nvml_version[TEXT];
    int cuda_version;
    int init;        /* what nvmlInit answers; -1: it never returns */
    unsigned int init_ms;
    char frozen_path[PATH_TEXT];
    unsigned int count;
    struct gpu gpus[MAX_GPUS];
};

/* The path the state is read from: $AAMI_FAKE_GPU_STATE, else fake-gpu.state beside the library. */
const char *state_path(void);

/* Fill `node` from the file; false when there is none (a machine without a driver). */
bool state_read(const char *path, struct node *node);

/* Say what is wrong and stop the process. */
_Noreturn void state_fault(const char *path, int line, const char *what);

#endif
