/* The library's session: whether NVML is initialised, which handles are valid, what state they see. */
#ifndef AAMI_FAKE_NVML_SESSION_H
#define AAMI_FAKE_NVML_SESSION_H

#include "state.h"

#define API __attribute__((visibility("default")))

/* What a handle points to: a slot of the state file, and for a MIG device which of its instances. */
struct nvmlDevice_st { int slot, mig; bool issued; };

enum { WHOLE = 1, INSTANCE = 2 };

/* Begin a call on a device: checks the session and the handle, waits as the state says, then shows the GPU
 * as it is now. `kinds` says which handles this call accepts. The view stays valid until this thread's next call. */
nvmlReturn_t enter(nvmlDevice_t device, int kinds, const struct gpu **gpu);

/* The same for an instance handle. */
nvmlReturn_t enter_mig(nvmlDevice_t device, const struct gpu **gpu, const struct mig **mig);

bool session_open(void);
bool ours(nvmlDevice_t device);

/* Slots are places in the state file, indices what NVML counts; -1 when there is none. */
int slot_of_index(unsigned int index);
unsigned int index_of_slot(int slot);

/* A copy of one slot as it is now; false when it was not there when NVML started. */
bool look(int slot, struct gpu *gpu);

/* Take the handle of a slot: this is where a GPU is initialised, and where it may hang or be lost. */
nvmlReturn_t take(int slot, nvmlDevice_t *device);
nvmlDevice_t issue(int slot, int mig);

/* The node as it is now, held until `release_node`. */
const struct node *hold_node(void);
void release_node(void);

nvmlReturn_t give_text(const char *from, char *to, unsigned int length);
nvmlReturn_t give_opt_text(const struct text *from, char *to, unsigned int length);
nvmlReturn_t give_u32(const struct number *from, unsigned int *to);
nvmlReturn_t give_u64(const struct number *from, uint64_t *to);
void fill_pci(const char *bus_id, nvmlPciInfo_t *pci);

#endif
