#include "reconcile/run_inside.h"

void run_end_early(run_t *r, const char *what, const err_t *err)
{
    if (!r->over)
        report_error(r->report, "%s: %s", what, err->detail);
    r->over = r->failed = true;
}

void run_add_window(run_t *r, window_t *w)
{
    r->windows = mem_realloc(r->windows, (r->n_windows + 1) * sizeof(*r->windows));
    r->windows[r->n_windows++] = w;
    r->windows_done += w->refused;
}
