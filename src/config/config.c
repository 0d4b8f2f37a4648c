#include "config/config.h"

#include "base/crypto.h"
#include "config/value.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct config {
    atomic_size_t holders;
    size_t count;
    value_t values[];
};

/* ---- where a text comes from ---- */

#define MAX_FILE_BYTES 65536

static const char *from_environment(const char *name, const char *suffix)
{
    char full[256];
    const char *text;
    int len = snprintf(full, sizeof(full), "%s%s", name, suffix);

    (void)len;

    assert(len > 0 && (size_t)len < sizeof(full));
    text = getenv(full);
    return text && *text ? text : NULL;
}

static void wipe_free(char *text, size_t len)
{
    crypto_wipe(text, len);
    free(text);
}

/* The file's content without its final newline. NULL, and why, when there is none to be had. */
static char *read_file(const char *path, const char **why)
{
    char *text = mem_alloc(MAX_FILE_BYTES + 1);
    FILE *file = fopen(path, "re");
    size_t len = 0;
    bool failed = !file;

    if (file) {
        len = fread(text, 1, MAX_FILE_BYTES + 1, file);
        failed = ferror(file) != 0;
        (void)fclose(file);
    }
    *why = failed ? strerror(errno) : len > MAX_FILE_BYTES ? "it is larger than 64 KiB" : NULL;
    if (!*why) {
        len -= len && text[len - 1] == '\n';
        len -= len && text[len - 1] == '\r';
        text[len] = '\0';
        *why = !len ? "it is empty" : strlen(text) != len ? "it holds a NUL byte" : NULL;
    }
    if (!*why)
        return text;
    wipe_free(text, MAX_FILE_BYTES + 1);
    return NULL;
}

static bool load_text(value_t *v, err_t *err)
{
    const char *name = v->row->name, *text = from_environment(name, ""), *path = from_environment(name, "_FILE"), *why;

    v->is_set = text || path;
    if (text && path)
        return err_set(err, ERR_CONFIG, "%s and %s_FILE: expected one of them, got both", name, name);
    if (path && !(v->text = read_file(path, &why))) {
        (void)err_set(err, ERR_CONFIG, "%s_FILE: expected a file that holds the value, got \"%.200s\": %s", name, path,
                      why);
        return err_hint(err, "see that the file is there and that this user may read it");
    }
    if (!path && (text || v->row->fallback))
        v->text = mem_strdup(str_from(text ? text : v->row->fallback));
    v->len = v->text ? strlen(v->text) : 0;
    return true;
}

static bool read_value(value_t *v, err_t *err)
{
    return load_text(v, err) && (!v->text || value_read(v, err));
}

static bool check_together(const config_t *c, err_t *err)
{
    if (!config_is_set(c, "HOOKLINE_TLS_LISTEN") ||
        (config_is_set(c, "HOOKLINE_TLS_CERT") && config_is_set(c, "HOOKLINE_TLS_KEY")))
        return true;
    return err_set(err, ERR_CONFIG,
                   "HOOKLINE_TLS_LISTEN: expected HOOKLINE_TLS_CERT and HOOKLINE_TLS_KEY beside it, got no %s",
                   config_is_set(c, "HOOKLINE_TLS_CERT") ? "key" : "certificate");
}

static config_t *new_config(void)
{
    size_t count = 0, at = 0;
    config_t *c;

    for (size_t i = 0; i < settings_section_count(); i++)
        count += settings_section(i)->count;
    c = mem_zalloc(sizeof(*c) + count * sizeof(c->values[0]));
    atomic_init(&c->holders, 1);
    c->count = count;
    for (size_t i = 0; i < settings_section_count(); i++)
        for (size_t r = 0; r < settings_section(i)->count; r++)
            c->values[at++].row = &settings_section(i)->rows[r];
    return c;
}

config_t *config_read(err_t *err)
{
    config_t *c = new_config();
    bool ok = true;

    for (size_t i = 0; ok && i < c->count; i++)
        ok = read_value(&c->values[i], err);
    if (ok && check_together(c, err))
        return c;
    config_free(c);
    return NULL;
}

config_t *config_share(config_t *c)
{
    atomic_fetch_add(&c->holders, 1);
    return c;
}

void config_free(config_t *c)
{
    if (!c || atomic_fetch_sub(&c->holders, 1) > 1)
        return;
    for (size_t i = 0; i < c->count; i++)
        if (c->values[i].text)
            wipe_free(c->values[i].text, c->values[i].len);
    free(c);
}

/* ---- asking ---- */

/* types: the bits of those that fit. */
static const value_t *find(const config_t *c, const char *name, unsigned types)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->values[i].row->name, name) == 0 && types & 1u << c->values[i].row->type)
            return &c->values[i];
    (void)fprintf(stderr, "hookline: no setting %s of that type\n", name);
    abort();
}

#define ANY_TYPE ~0u

str_t config_text(const config_t *c, const char *name)
{
    return value_text(find(c, name, 1u << SETTING_TEXT | 1u << SETTING_ADDRESS | 1u << SETTING_LIST));
}

int64_t config_int(const config_t *c, const char *name)
{
    return find(c, name, 1u << SETTING_INT | 1u << SETTING_BYTES)->number;
}

int64_t config_us(const config_t *c, const char *name)
{
    return find(c, name, 1u << SETTING_SECONDS)->number;
}

bool config_bool(const config_t *c, const char *name)
{
    return find(c, name, 1u << SETTING_BOOL)->number != 0;
}

bool config_is_set(const config_t *c, const char *name)
{
    return find(c, name, ANY_TYPE)->is_set;
}

static str_t get(const void *snapshot, const char *name)
{
    return value_text(find(snapshot, name, ANY_TYPE));
}

setting_source_t config_source(const config_t *c)
{
    return (setting_source_t){get, c};
}

/* ---- what nobody knows ---- */

static bool is_known(str_t name)
{
    str_t bare = name;

    if (str_ends_nocase(name, STR("_FILE")))
        bare.len -= 5;
    for (size_t i = 0; i < settings_section_count(); i++) {
        for (size_t r = 0; r < settings_section(i)->count; r++) {
            str_t row = str_from(settings_section(i)->rows[r].name);
            if (str_eq(row, name) || str_eq(row, bare))
                return true;
        }
    }
    return false;
}

void config_unknown(void (*each)(void *ctx, const char *name), void *ctx)
{
    for (char **e = environ; e && *e; e++) {
        str_t name = str_slice(str_from(*e), 0, str_find(str_from(*e), '='));
        char *copy;
        if (!str_starts(name, STR("HOOKLINE_")) || is_known(name))
            continue;
        copy = mem_strdup(name);
        each(ctx, copy);
        free(copy);
    }
}

/* ---- printing ---- */

static const char *marks(const setting_t *s)
{
    if (s->secret)
        return s->reloads ? " (secret; reloads)" : " (secret)";
    return s->reloads ? " (reloads)" : "";
}

/* A '|' would end the cell. */
static void add_cell(buf_t *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_addc(out, '\\');
        buf_addc(out, *text);
    }
}

static const char *unit(const setting_t *s)
{
    return s->fallback && s->type == SETTING_SECONDS ? " s" : "";
}

static void print_row(buf_t *out, const setting_t *s, bool markdown)
{
    char fallback[200];

    (void)snprintf(fallback, sizeof(fallback), "%s%s", s->fallback ? s->fallback : "", unit(s));
    if (!markdown) {
        buf_printf(out, "  %-34s %-18s %s%s\n", s->name, fallback, s->help, marks(s));
        return;
    }
    buf_printf(out, "| `%s` | %s%s%s | ", s->name, s->fallback ? "`" : "", fallback, s->fallback ? "`" : "");
    add_cell(out, s->help);
    buf_printf(out, "%s |\n", marks(s));
}

void config_print(buf_t *out, bool markdown)
{
    for (size_t i = 0; i < settings_section_count(); i++) {
        const settings_section_t *section = settings_section(i);
        if (i)
            buf_addc(out, '\n');
        if (markdown)
            buf_printf(out, "### %s\n\n| setting | default | what it is |\n| --- | --- | --- |\n", section->title);
        else
            buf_printf(out, "%s\n", section->title);
        for (size_t r = 0; r < section->count; r++)
            print_row(out, &section->rows[r], markdown);
    }
}
