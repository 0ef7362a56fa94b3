/* Initialisation and the start of every call, with the waits and losses a real driver has. */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node current;
static struct stat seen;
static unsigned int opened;            /* how often nvmlInit was called without nvmlShutdown */
static bool enumerated[MAX_GPUS];      /* fixed when NVML starts */
static bool warm[MAX_GPUS];            /* this process has paid for the first start */
static struct nvmlDevice_st devices[MAX_GPUS][1 + MAX_MIGS];
static _Thread_local struct gpu view;

static void wait_ms(uint64_t milliseconds)
{
    if (milliseconds == 0)
        return;
    struct timespec left = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000L};
    while (nanosleep(&left, &left) == -1 && errno == EINTR)
        ;
}

static _Noreturn void wait_forever(void)
{
    for (;;)
        pause();
}

/* Write to a file that a test may have frozen with its file system: then this sleeps in the kernel. */
static void touch_device(const char *path)
{
    if (*path == '\0')
        return;
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (file == -1 || write(file, "x", 1) != 1)
        state_fault(path, 0, strerror(errno));
    close(file);
}

/* Read the state file again if it was replaced. Call it with the lock held. */
static bool refresh(void)
{
    struct stat now;
    const char *path = state_path();
    if (stat(path, &now) == -1)
        return false;
    if (now.st_ino == seen.st_ino && now.st_mtim.tv_sec == seen.st_mtim.tv_sec
        && now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec && now.st_size == seen.st_size)
        return true;
    if (!state_read(path, &current))
        return false;
    seen = now;
    return true;
}

static nvmlReturn_t start(unsigned int flags)
{
    pthread_mutex_lock(&lock);
    bool driver = refresh();
    int answer = driver ? current.init : NVML_ERROR_DRIVER_NOT_LOADED;
    uint64_t delay = driver ? current.init_ms : 0;
    char path[PATH_TEXT];
    snprintf(path, sizeof path, "%s", driver ? current.frozen_path : "");
    pthread_mutex_unlock(&lock);
    if (answer == -1)
        wait_forever();
    touch_device(path);
    wait_ms(delay);
    if (flags > (NVML_INIT_FLAG_NO_GPUS | NVML_INIT_FLAG_NO_ATTACH))
        return NVML_ERROR_INVALID_ARGUMENT;
    if (answer != NVML_SUCCESS)
        return answer;
    pthread_mutex_lock(&lock);
    if (opened++ == 0)
        for (unsigned int slot = 0; slot < MAX_GPUS; slot++) {
            enumerated[slot] = slot < current.count && current.gpus[slot].presence != REMOVED;
            warm[slot] = false;
        }
    pthread_mutex_unlock(&lock);
    return NVML_SUCCESS;
}

API nvmlReturn_t nvmlInit_v2(void) { return start(0); }
API nvmlReturn_t nvmlInitWithFlags(unsigned int flags) { return start(flags); }

API nvmlReturn_t nvmlShutdown(void)
{
    pthread_mutex_lock(&lock);
    nvmlReturn_t result = opened == 0 ? NVML_ERROR_UNINITIALIZED : NVML_SUCCESS;
    opened -= opened != 0;
    pthread_mutex_unlock(&lock);
    return result;
}

bool session_open(void)
{
    pthread_mutex_lock(&lock);
    bool open = opened != 0;
    pthread_mutex_unlock(&lock);
    return open;
}

const struct node *hold_node(void)
{
    pthread_mutex_lock(&lock);
    refresh();
    return &current;
}

void release_node(void)
{
    pthread_mutex_unlock(&lock);
}

/* Copy one slot under the lock, so that a file replaced meanwhile never shows half. */
bool look(int slot, struct gpu *gpu)
{
    pthread_mutex_lock(&lock);
    refresh();
    bool known = opened != 0 && slot >= 0 && slot < (int)current.count && enumerated[slot];
    if (known)
        *gpu = current.gpus[slot];
    pthread_mutex_unlock(&lock);
    return known;
}

int slot_of_index(unsigned int index)
{
    pthread_mutex_lock(&lock);
    int found = -1;
    for (int slot = 0; slot < MAX_GPUS && found == -1; slot++)
        if (enumerated[slot] && index-- == 0)
            found = slot;
    pthread_mutex_unlock(&lock);
    return found;
}

unsigned int index_of_slot(int slot)
{
    unsigned int index = 0;
    for (int i = 0; i < slot; i++)
        index += enumerated[i];
    return index;
}

static nvmlReturn_t loss(const struct gpu *gpu, bool taking_handle)
{
    switch (gpu->presence) {
    case PRESENT: return NVML_SUCCESS;
    case UNREACHABLE: return taking_handle ? NVML_ERROR_UNKNOWN : NVML_ERROR_GPU_IS_LOST;
    case DENIED: return NVML_ERROR_NO_PERMISSION;
    default: return NVML_ERROR_GPU_IS_LOST;
    }
}

nvmlDevice_t issue(int slot, int mig)
{
    struct nvmlDevice_st *device = &devices[slot][1 + mig];
    *device = (struct nvmlDevice_st){slot, mig, true};
    return device;
}

nvmlReturn_t take(int slot, nvmlDevice_t *device)
{
    struct gpu gpu;
    if (!look(slot, &gpu))
        return NVML_ERROR_GPU_IS_LOST;
    if (gpu.hang.error == NVML_SUCCESS && gpu.hang.value == HANG_FROM_HANDLE)
        wait_forever();
    touch_device(gpu.frozen_path);
    nvmlReturn_t lost = loss(&gpu, true);
    if (lost != NVML_SUCCESS)
        return lost;
    if (!warm[slot] && gpu.slow_start_ms.error == NVML_SUCCESS)
        wait_ms(gpu.slow_start_ms.value);
    warm[slot] = true;
    *device = issue(slot, -1);
    return NVML_SUCCESS;
}

/* A handle is one of ours or it is refused; a wild pointer is never followed. */
bool ours(nvmlDevice_t device)
{
    uintptr_t offset = (uintptr_t)device - (uintptr_t)devices;
    return (uintptr_t)device >= (uintptr_t)devices && offset < sizeof devices && offset % sizeof **devices == 0
        && device->issued;
}

nvmlReturn_t enter(nvmlDevice_t device, int kinds, const struct gpu **gpu)
{
    if (!session_open())
        return NVML_ERROR_UNINITIALIZED;
    if (!ours(device) || (kinds & (device->mig == -1 ? WHOLE : INSTANCE)) == 0)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (!look(device->slot, &view))
        return NVML_ERROR_GPU_IS_LOST;
    if (view.hang.error == NVML_SUCCESS && view.hang.value != NO_HANG)
        wait_forever();
    touch_device(view.frozen_path);
    if (view.slow_call_ms.error == NVML_SUCCESS)
        wait_ms(view.slow_call_ms.value);
    *gpu = &view;
    return loss(&view, false);
}

nvmlReturn_t enter_mig(nvmlDevice_t device, const struct gpu **gpu, const struct mig **mig)
{
    nvmlReturn_t result = enter(device, INSTANCE, gpu);
    if (result != NVML_SUCCESS)
        return result;
    *mig = &view.migs[device->mig];
    return (*mig)->used ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}
