/* tally.h – what is counted of each provider. Any thread. */
#ifndef HOOKLINE_INGEST_TALLY_H
#define HOOKLINE_INGEST_TALLY_H

#include "base/err.h"
#include "base/log.h"
#include "base/metrics.h"

#include <stdatomic.h>

typedef struct tally {
    const char *provider; /* as stored */
    metric_t *stored, *journaled, *dead, *unstored;
    _Atomic(metric_t *) refused[ERR_CODE_COUNT]; /* made when first needed, and kept */
    log_gate_t refused_gate, dead_gate;
} tally_t;

void tally_init(tally_t *t, const char *provider); /* zeroed before; provider: a literal */
void tally_refusal(tally_t *t, err_code_t code);

#endif
