#include "base/clock.h"

#include <string.h>
#include <time.h>

#define LAST_YEAR     2261 /* what nanoseconds since 1970 can hold in 64 bits */
#define SECONDS_A_DAY INT64_C(86400)

static const char MONTHS[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char WEEKDAYS[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

/* ---- the calendar: days are counted from 1970-01-01; years begin in March, so that a leap day comes last ---- */

typedef struct civil {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second;
    int us;
} civil_t;

#define DAYS_IN_400_YEARS 146097
#define DAYS_TO_1970      719468 /* from 0000-03-01 */

static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1, era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * DAYS_IN_400_YEARS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970;
}

static void date_of(int64_t days, civil_t *out)
{
    int64_t z = days + DAYS_TO_1970, era = (z >= 0 ? z : z - DAYS_IN_400_YEARS + 1) / DAYS_IN_400_YEARS;
    int64_t of_era = z - era * DAYS_IN_400_YEARS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), shifted = (5 * of_year + 2) / 153;

    out->day = (int)(of_year - (153 * shifted + 2) / 5 + 1);
    out->month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    out->year = year + era * 400 + (out->month <= 2);
}

static int days_in(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap);
}

/* A second of 60 is a leap second: it is the same as the next minute's first, as everywhere in Unix time. */
static int64_t to_us(const civil_t *c, int offset_minutes)
{
    int64_t seconds;

    if (c->year < 1969 || c->year > LAST_YEAR + 1 || c->month < 1 || c->month > 12 || c->day < 1 ||
        c->day > days_in(c->year, c->month) || c->hour > 23 || c->minute > 59 || c->second > 60)
        return TIME_NONE;
    seconds = days_of(c->year, c->month, c->day) * SECONDS_A_DAY + c->hour * INT64_C(3600) +
              (c->minute - offset_minutes) * INT64_C(60) + c->second;
    return time_from_seconds(seconds) == TIME_NONE ? TIME_NONE : seconds * US_PER_S + c->us;
}

static void from_us(int64_t us, civil_t *out, int64_t *days)
{
    int64_t seconds = us / US_PER_S - (us % US_PER_S < 0), rest;

    *days = seconds / SECONDS_A_DAY - (seconds % SECONDS_A_DAY < 0);
    rest = seconds - *days * SECONDS_A_DAY;
    date_of(*days, out);
    out->hour = (int)(rest / 3600);
    out->minute = (int)(rest / 60 % 60);
    out->second = (int)(rest % 60);
    out->us = (int)(us - seconds * US_PER_S);
}

/* ---- reading ---- */

static bool take_char(str_t *s, const char *any_of)
{
    if (!s->len || !s->base[0] || !strchr(any_of, s->base[0]))
        return false;
    *s = str_slice(*s, 1, s->len);
    return true;
}

static bool take_digits(str_t *s, size_t least, size_t most, int *out)
{
    size_t n = 0;

    for (*out = 0; n < most && n < s->len && s->base[n] >= '0' && s->base[n] <= '9'; n++)
        *out = *out * 10 + (s->base[n] - '0');
    *s = str_slice(*s, n, s->len);
    return n >= least;
}

static bool take_name(str_t *s, const char names[][4], size_t count, int *out)
{
    for (size_t i = 0; i < count; i++) {
        if (str_starts_nocase(*s, (str_t){names[i], 3})) {
            *s = str_slice(*s, 3, s->len);
            *out = (int)i + 1;
            return true;
        }
    }
    return false;
}

static bool take_fraction(str_t *s, int *us)
{
    size_t digits;
    int nanoseconds;

    if (!take_char(s, "."))
        return true;
    digits = s->len;
    if (!take_digits(s, 1, 9, &nanoseconds))
        return false;
    for (digits -= s->len; digits < 9; digits++)
        nanoseconds *= 10;
    *us = nanoseconds / 1000;
    return true;
}

/* +hh:mm, and +hhmm as in mail. */
static bool take_offset(str_t *s, int *minutes)
{
    bool negative = s->len && s->base[0] == '-';
    int hour, minute;

    if (!take_char(s, "+-") || !take_digits(s, 2, 2, &hour))
        return false;
    (void)take_char(s, ":");
    if (!take_digits(s, 2, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *minutes = negative ? -(hour * 60 + minute) : hour * 60 + minute;
    return true;
}

static bool take_clock(str_t *s, civil_t *c)
{
    return take_digits(s, 2, 2, &c->hour) && take_char(s, ":") && take_digits(s, 2, 2, &c->minute) &&
           take_char(s, ":") && take_digits(s, 2, 2, &c->second);
}

int64_t time_from_iso8601(str_t s)
{
    civil_t c = {0};
    int year, offset = 0;

    if (!take_digits(&s, 4, 4, &year) || !take_char(&s, "-") || !take_digits(&s, 2, 2, &c.month) ||
        !take_char(&s, "-") || !take_digits(&s, 2, 2, &c.day) || !take_char(&s, "Tt ") || !take_clock(&s, &c) ||
        !take_fraction(&s, &c.us))
        return TIME_NONE;
    c.year = year;
    if (!take_char(&s, "Zz") && !take_offset(&s, &offset))
        return TIME_NONE;
    return s.len ? TIME_NONE : to_us(&c, offset);
}

static bool take_zone(str_t *s, int *offset)
{
    if (str_eq_nocase(*s, STR("GMT")) || str_eq_nocase(*s, STR("UTC")) || str_eq_nocase(*s, STR("UT"))) {
        *s = str_slice(*s, s->len, s->len);
        return true;
    }
    return take_offset(s, offset);
}

int64_t time_from_rfc2822(str_t s)
{
    civil_t c = {0};
    int year, weekday, offset = 0;

    s = str_trim(s);
    if (take_name(&s, WEEKDAYS, COUNT(WEEKDAYS), &weekday) && (!take_char(&s, ",") || !take_char(&s, " ")))
        return TIME_NONE;
    if (!take_digits(&s, 1, 2, &c.day) || !take_char(&s, " ") || !take_name(&s, MONTHS, COUNT(MONTHS), &c.month) ||
        !take_char(&s, " ") || !take_digits(&s, 4, 4, &year) || !take_char(&s, " ") || !take_clock(&s, &c) ||
        !take_char(&s, " ") || !take_zone(&s, &offset))
        return TIME_NONE;
    c.year = year;
    return s.len ? TIME_NONE : to_us(&c, offset);
}

int64_t time_from_seconds(int64_t s)
{
    static const int64_t end = INT64_C(9214646400); /* 2262-01-01 */

    return s < 0 || s >= end ? TIME_NONE : s * US_PER_S;
}

int64_t time_from_ms(double ms)
{
    if (!(ms >= 0 && ms < 9214646400e3))
        return TIME_NONE;
    return (int64_t)(ms * 1000 + 0.5);
}

/* ---- writing ---- */

static char *put(char *at, int64_t value, int digits)
{
    for (int i = digits; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + digits;
}

static char *put_text(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    return at;
}

static char *put_clock(char *at, const civil_t *c)
{
    at = put(at, c->hour, 2);
    *at++ = ':';
    at = put(at, c->minute, 2);
    *at++ = ':';
    return put(at, c->second, 2);
}

/* Years of four digits only; what has others cannot be told apart from nonsense. */
static bool is_writable(int64_t us)
{
    return us >= INT64_C(-62167219200) * US_PER_S && us < INT64_C(253402300800) * US_PER_S;
}

size_t time_to_iso8601(int64_t us, char out[32])
{
    civil_t c;
    int64_t days;
    char *at = out;

    out[0] = '\0';
    if (!is_writable(us))
        return 0;
    from_us(us, &c, &days);
    at = put(at, c.year, 4);
    *at++ = '-';
    at = put(at, c.month, 2);
    *at++ = '-';
    at = put(at, c.day, 2);
    *at++ = 'T';
    at = put_clock(at, &c);
    *at++ = '.';
    at = put(at, c.us, 6);
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - out);
}

size_t time_to_rfc2822(int64_t us, char out[40])
{
    civil_t c;
    int64_t days;
    char *at = out;

    out[0] = '\0';
    if (!is_writable(us))
        return 0;
    from_us(us, &c, &days);
    at = put_text(at, WEEKDAYS[((days + 4) % 7 + 7) % 7]); /* 1970-01-01 was a Thursday */
    at = put_text(at, ", ");
    at = put(at, c.day, 2);
    *at++ = ' ';
    at = put_text(at, MONTHS[c.month - 1]);
    *at++ = ' ';
    at = put(at, c.year, 4);
    *at++ = ' ';
    at = put_clock(at, &c);
    at = put_text(at, " +0000");
    *at = '\0';
    return (size_t)(at - out);
}
