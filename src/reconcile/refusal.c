#include "reconcile/refusal.h"

#include "reconcile/keys.h"

static void explain_key(const provider_t *p, int status, err_t *out)
{
    buf_t keys = BUF_EMPTY;

    keys_name(p, &keys);
    err_set(out, ERR_CONFIG, "%s answers %d: check " STR_FMT "%s", p->title, status, STR_ARG(buf_str(&keys)),
            status == 403 ? ", and what that key may do" : "");
    buf_clear(&keys);
}

void refusal_explain(const provider_t *p, const answer_t *a, verdict_t verdict, err_t *out)
{
    static const char LATER[] = "this run waits no longer, and a later one goes on there";
    int status = a->response.status;

    if (verdict == VERDICT_LATER && a->came)
        err_set(out, ERR_IO, "%s answers %d: %s", p->title, status, LATER);
    else if (verdict == VERDICT_LATER)
        err_set(out, ERR_IO, "%s: %.200s: %s", p->title, a->err.detail, LATER);
    else if (!a->came)
        err_set(out, ERR_CONFIG, "%s: %.300s; %.80s", p->title, a->err.detail, a->err.hint);
    else if (status == 402)
        err_set(out, ERR_CONFIG, "%s answers 402: the account has to be paid for", p->title);
    else
        explain_key(p, status, out);
}
