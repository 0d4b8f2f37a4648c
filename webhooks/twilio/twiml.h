/* twiml.h – writes TwiML: what Twilio is to do with a call (twilio.com/docs/voice/twiml, read 2026-11-21).
 *
 * Whatever it is given is text: it is escaped, and never markup. What XML cannot have is left out. It decides nothing:
 * that is voice.c. Any thread. */
#ifndef HOOKLINE_WEBHOOKS_TWILIO_TWIML_H
#define HOOKLINE_WEBHOOKS_TWILIO_TWIML_H

#include "base/mem.h"

#define TWIML_CONTENT_TYPE "text/xml; charset=utf-8" /* any other is error 12300 (twilio.com/docs/api/errors/12300) */
#define TWIML_HEAD         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
#define TWIML_EMPTY        TWIML_HEAD "<Response/>"

typedef struct twiml_parameter {
    const char *name;
    str_t value; /* absent or empty: left out */
} twiml_parameter_t;

/* A document: begin, verbs in their order, end. out: empty at first. */
void twiml_begin(buf_t *out);
void twiml_say(buf_t *out, str_t text); /* nothing where no word is in it; cut where Twilio would not say it */
void twiml_hangup(buf_t *out);
/* What follows runs once the other side of url has closed the stream. A parameter that is longer than Twilio takes is
 * left out: half a number is none. */
void twiml_connect_stream(buf_t *out, str_t url, str_t status_callback, const twiml_parameter_t *parameters,
                          size_t count);
str_t twiml_end(buf_t *out, arena_t *a); /* the document, in the arena; releases out */

#endif
