#include "media/realtime.h"

const char *const REALTIME_FAULT_NAMES[] = {
#define REALTIME_NAME(id, name) [id] = "" name,
    REALTIME_FAULTS(REALTIME_NAME)
#undef REALTIME_NAME
};
