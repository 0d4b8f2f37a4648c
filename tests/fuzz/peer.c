/* peer.c – who is on the other side, by its word. An input is lines: the list of trusted proxies, the scheme and the
 * host that were forwarded, Host, and the lines of X-Forwarded-For. */
#include "fuzz.h"

#include "http/peer.h"

#define MOST_LINES 8

static void check_address(str_t text)
{
    char made[ADDRESS_TEXT_BYTES];
    address_t address, again;

    if (!address_from_text(text, &address))
        return;
    CHECK(address_from_text((str_t){made, address_to_text(&address, made)}, &again), text);
    CHECK(memcmp(&address, &again, sizeof(address)) == 0, text);
}

static bool is_named(const address_t *client, const str_t *lines, size_t count)
{
    address_t named;
    str_t piece;

    for (size_t i = 0; i < count; i++)
        for (str_t rest = lines[i]; str_split(&rest, ',', &piece);)
            if (address_from_text(str_trim(piece), &named) && memcmp(&named, client, sizeof(named)) == 0)
                return true;
    return false;
}

/* Whoever it is: the peer itself, or one of the addresses that were named. */
static void check_client(const proxies_t *proxies, const str_t *lines, size_t count)
{
    address_t peer = {{0}}, client;
    char text[ADDRESS_TEXT_BYTES];

    peer.bytes[15] = 1;
    client = peer_client(proxies, peer, lines, count);
    if (memcmp(&client, &peer, sizeof(peer)) != 0)
        CHECK(is_named(&client, lines, count), ((str_t){text, address_to_text(&client, text)}));
}

/* Only what has the form of an origin may be signed by one. */
static void check_origins(const peer_names_t *names, str_t public_url)
{
    peer_room_t room;
    str_t out[PEER_MAX_ORIGINS];
    size_t count = peer_origins(public_url, names, &room, out);

    CHECK(count <= PEER_MAX_ORIGINS, names->host);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 && public_url.len)
            continue;
        CHECK(str_starts(out[i], STR("https://")) || str_starts(out[i], STR("http://")), out[i]);
        CHECK(str_find(str_slice(out[i], 8, out[i].len), '/') == SIZE_MAX, out[i]);
        CHECK(is_storable(out[i]) && str_find(out[i], ' ') == SIZE_MAX && str_find(out[i], '?') == SIZE_MAX, out[i]);
        for (size_t j = 0; j < i; j++)
            CHECK(!str_eq(out[i], out[j]), out[i]);
    }
}

void fuzz_begin(void)
{
}

void fuzz_one(arena_t *a, str_t input)
{
    str_t rest = input, lines[MOST_LINES];
    err_t err = {.code = ERR_NONE};
    proxies_t *proxies = proxies_new(take_line(a, &rest), &err);
    peer_names_t names = {.tls = input.len & 1, .forwarded_proto = take_line(a, &rest)};
    size_t count = 0;

    names.forwarded_host = take_line(a, &rest);
    names.host = take_line(a, &rest);
    while (rest.base && count < MOST_LINES)
        lines[count++] = take_line(a, &rest);
    for (size_t i = 0; i < count; i++)
        check_address(lines[i]);
    if (proxies)
        check_client(proxies, lines, count);
    else
        CHECK(err.code == ERR_CONFIG, str_from(err.detail));
    for (int trusted = 0; trusted < 2; trusted++) {
        names.trusted = trusted;
        check_origins(&names, STR_NONE);
        check_origins(&names, STR("https://calls.example.com/below"));
    }
    proxies_free(proxies);
}
