#include "base/clock.h"
#include "http/conn.h"

#include <string.h>

static str_t from_iovec(h2o_iovec_t v)
{
    return (str_t){v.base, v.len};
}

static void note_field(fields_t *f, const header_t *h)
{
    switch (h->name.len) {
    case sizeof("content-type") - 1: /* and x-request-id: both have 12 letters */
        if (str_eq(h->name, STR("content-type")) && !f->content_type.base)
            f->content_type = h->value;
        else if (str_eq(h->name, STR("x-request-id")) && !f->request_id.base)
            f->request_id = h->value;
        break;
    case sizeof("x-forwarded-for") - 1:
        if (str_eq(h->name, STR("x-forwarded-for")) && f->n_forwarded_for < COUNT(f->forwarded_for))
            f->forwarded_for[f->n_forwarded_for++] = h->value;
        break;
    case sizeof("x-forwarded-host") - 1:
        if (str_eq(h->name, STR("x-forwarded-host")) && !f->forwarded_host.base)
            f->forwarded_host = h->value;
        break;
    case sizeof("x-forwarded-proto") - 1:
        if (str_eq(h->name, STR("x-forwarded-proto")) && !f->forwarded_proto.base)
            f->forwarded_proto = h->value;
        break;
    default:
        break;
    }
}

static void read_fields(const h2o_req_t *req, fields_t *f)
{
    f->count = f->n_forwarded_for = 0;
    f->content_type = f->request_id = f->forwarded_proto = f->forwarded_host = STR_NONE;
    for (size_t i = 0; i < req->headers.size && f->count < COUNT(f->all); i++) {
        const h2o_header_t *from = &req->headers.entries[i];
        header_t *to = &f->all[f->count++];

        to->name = from_iovec(*from->name);
        to->value = str_trim(from_iovec(from->value)); /* h2o leaves the blanks at a value's end */
        note_field(f, to);
    }
}

static bool is_request_id(str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.base[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-'))
            return false;
    }
    return s.len >= 1 && s.len <= REQUEST_ID_BYTES;
}

static bool adopt_id(request_t *r, str_t id)
{
    if (!id.base || !is_request_id(id))
        return false;
    memcpy(r->id, id.base, id.len);
    r->id_len = (uint8_t)id.len;
    return true;
}

/* SplitMix64: a permutation of a counter, so no id comes twice from one loop; the random seed keeps processes apart. */
static uint64_t next_id(loop_t *l)
{
    uint64_t z = l->request_ids += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void make_id(request_t *r)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t id = next_id(r->conn->loop);

    for (int i = 0; i < 16; i++, id >>= 4)
        r->id[i] = digits[id & 15];
    r->id_len = 16;
}

void request_begin(request_t *r, h2o_req_t *h2o, fields_t *fields)
{
    conn_t *c = r->conn;

    c->state = CONN_SERVING;
    c->since_us = r->began_us = clock_mono_us();
    c->write_since_us = 0; /* what is written from here on is this request's */
    c->served = true;
    read_fields(h2o, fields);
    r->h2o = h2o;
    r->route = NULL;
    r->wait = NULL;
    r->service_wait = NULL;
    r->code = ERR_NONE;
    r->status = 0;
    r->bytes = 0;
    r->closes = r->lingers = false;
    r->client = c->peer;
    if (c->trusted)
        r->client = peer_client(c->loop->server->proxies, c->peer, fields->forwarded_for, fields->n_forwarded_for);
    if (!c->trusted || !adopt_id(r, fields->request_id))
        make_id(r);
}

void request_end(request_t *r)
{
    conn_t *c = r->conn;

    if (r->wait) /* the client is gone before the answer */
        ingest_forget(r->wait);
    if (r->service_wait)
        c->loop->server->service.forget(r->service_wait);
    if (c->loop->server->access_log)
        access_log(r);
    if (r->closes && (r->lingers || (r->status >= 400 && r->status < 500))) /* the client may still be sending */
        conn_linger(c);
    conn_end_watch(c);
    r->wait = NULL;
    r->service_wait = NULL;
    r->h2o = NULL;
    c->state = CONN_IDLE;
    c->since_us = clock_mono_us();
}
