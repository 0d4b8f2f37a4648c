/* main.c – the command line: one row a subcommand, and the help that is read from the rows. */
#include "base/json.h"
#include "base/log.h"
#include "command.h"
#include "config/config.h"
#include "provider.h"
#include "send.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int help_command(int argc, char **argv);
static int version_command(int argc, char **argv);

static const struct command {
    const char *name;
    const char *usage; /* what follows the name */
    const char *summary;
    const char *details;
    int (*run)(int argc, char **argv);
} COMMANDS[] = {
    {"serve", "", "take deliveries in until SIGTERM",
     "Listens on HOOKLINE_LISTEN, commits to DATABASE_URL; what that cannot take goes to files in HOOKLINE_DATA_DIR,\n"
     "and there later. SIGHUP reads secrets and certificates again; SIGTERM drains and exits 0; a second SIGTERM ends\n"
     "at once. See `hookline help configuration` for all settings.\n",
     serve_command},
    {"migrate", "[--status]", "bring the database's schema to what this program knows",
     "Safe to run any number of times, and by several at once. --status changes nothing and says what would run;\n"
     "it exits 1 when something would.\n",
     migrate_command},
    {"check", "", "test configuration, certificates and database, and say what to do",
     "Exits 0 when hookline would serve as configured.\n", check_command},
    {"journal", "verify|dump|drain", "look at what is kept on disk for PostgreSQL, or bring it there",
     "  hookline journal verify   says of every segment under HOOKLINE_DATA_DIR what it holds, and what of it cannot "
     "be\n"
     "                            read; exits 1 when there is any such thing\n"
     "  hookline journal dump     prints every delivery that can be read, a line of JSON each\n"
     "  hookline journal drain    brings all that no running hookline holds to DATABASE_URL, what was set aside too;\n"
     "                            exits 0 when nothing is left\n"
     "The first two change nothing, and may be run beside a hookline. One that runs drains its journal by itself.\n",
     journal_command},
    {"replay", "[--provider P] [--since T] [--id N] [--all] [--dry-run]",
     "put dead letters through once more, as this version understands them",
     "A dead letter is a genuine delivery that could not be understood: a row of call_events with an error. One that\n"
     "this version understands becomes an event in its place, and its facts are merged; the others stay.\n"
     "  --provider P   of this provider only\n"
     "  --since T      received then or later: 2026-11-21, 2026-11-21T08:30:00Z, or an age such as 90m, 2h, 3d\n"
     "  --id N         that row of call_events alone, dead letter or not\n"
     "  --all          not dead letters only: merges the facts of all that is stored anew\n"
     "  --dry-run      only says what would become of each\n"
     "May be run beside a hookline, and as often as you like. Exits 1 when the database failed it.\n",
     replay_command},
    {"reconcile", "[all|PROVIDER] [--since T] [--until T] [--resource R] [--dry-run] [--json]",
     "fetch from the providers' APIs what their webhooks left out",
     "Goes on where the last run ended, and takes up what it has left; serve does so by itself, every\n"
     "HOOKLINE_RECONCILE_EVERY seconds. What is known already stays as it is: a run over the same calls adds nothing.\n"
     "  --since T      from then on instead: 2026-11-21, 2026-11-21T08:30:00Z, or an age such as 90m, 2h, 3d\n"
     "  --until T      up to then; without it, until now\n"
     "  --resource R   of this kind only; one that does not exist says which there are\n"
     "  --dry-run      writes nothing, and says what would be new\n"
     "  --json         the summary as JSON\n"
     "One run of a provider is made at a time, however many hooklines there are. Exits 0 when all is covered, 1 when\n"
     "something failed (the next run tries it again), 2 when used wrongly.\n",
     reconcile_command},
    {"audit", "[--provider P[,P…]] [--since T] [--all] [--json]",
     "say which calls differ between here and the providers' APIs",
     "By id, in three lists: only there, only here (and why), and differing, field by field, by the rules that facts\n"
     "are merged by: what differs is what a reconcile run would change. Also whether customers, calls, transcripts\n"
     "and leads fit together. Writes nothing.\n"
     "  --provider P   of these providers only; may be given several times\n"
     "  --since T      calls from then on: 2026-11-21, 2026-11-21T08:30:00Z, or an age such as 90m, 2h, 3d; without\n"
     "                 it, 7d\n"
     "  --all          lists all; without it, the first 20 of each\n"
     "  --json         all of it as JSON\n"
     "Exits 0 when nothing differs, 1 when something does, 2 when used wrongly, 3 when it cannot be said: the\n"
     "database is not there, no API key is set, a key was refused, or an answer could not be read.\n",
     audit_command},
    {"send", "PROVIDER EVENT|FILE [--to URL] [--count N] [--tamper]",
     "send correctly signed deliveries, to try things out",
     "EVENT is one of `hookline send list`; a FILE is sent as it is (a form if its name ends in .form, else JSON).\n"
     "  hookline send demo [--to URL]   plays one whole call of every provider that is on\n"
     "  hookline send list              says which events there are\n"
     "Signs with the same settings as serve (TWILIO_AUTH_TOKEN …); --to defaults to http://HOOKLINE_LISTEN.\n"
     "--tamper spoils the proof after signing: each must be refused.\n",
     send_command},
    {"help", "[COMMAND|configuration [--markdown]]", "say more about a command, or list every setting", "",
     help_command},
    {"version", "", "print the version", "", version_command},
};

static void print_overview(FILE *out)
{
    (void)fprintf(out, "hookline %s: signed webhooks of voice providers in, committed rows out\n\n", HOOKLINE_VERSION);
    for (size_t i = 0; i < COUNT(COMMANDS); i++)
        (void)fprintf(out, "  hookline %-9s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    (void)fprintf(out, "\n`hookline help COMMAND` says more; `hookline help configuration` lists every setting.\n");
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COUNT(COMMANDS); i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}

static int help_command(int argc, char **argv)
{
    const struct command *c;
    buf_t text = BUF_EMPTY;

    if (argc < 2) {
        print_overview(stdout);
        return 0;
    }
    if (strcmp(argv[1], "configuration") == 0) {
        config_print(&text, argc > 2 && strcmp(argv[2], "--markdown") == 0);
        (void)fwrite(text.base, 1, text.len, stdout);
        buf_clear(&text);
        return 0;
    }
    c = find_command(argv[1]);
    if (!c) {
        (void)fprintf(stderr, "hookline: there is no command \"%s\"; `hookline help` lists them\n", argv[1]);
        return 2;
    }
    printf("hookline %s%s%s\n  %s\n", c->name, *c->usage ? " " : "", c->usage, c->summary);
    if (*c->details)
        printf("\n%s", c->details);
    return 0;
}

static int version_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("hookline %s\n", HOOKLINE_VERSION);
    return 0;
}

static void add_provider_settings(void)
{
    settings_section_t *sections = mem_alloc((PROVIDER_COUNT + 1) * sizeof(*sections));

    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        sections[i] = (settings_section_t){PROVIDERS[i]->title, PROVIDERS[i]->settings, PROVIDERS[i]->n_settings};
    settings_add(sections, PROVIDER_COUNT);
}

int main(int argc, char **argv)
{
    const struct command *c;
    const char *name = argc > 1 ? argv[1] : "";

    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on files' sizes is an error of write, too */
    json_init();
    add_provider_settings();
    if (strcmp(name, "--version") == 0)
        name = "version";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    c = find_command(name);
    if (!c) {
        if (*name)
            (void)fprintf(stderr, "hookline: there is no command \"%s\"\n\n", name);
        print_overview(stderr);
        return 2;
    }
    return c->run(argc - 1, argv + 1);
}
