/* routes.c – where Twilio's deliveries come in, and what objects of its API are called. */
#include "twilio/twilio.h"

const hook_route_t TWILIO_ROUTES[TWILIO_ROUTE_COUNT] = {
    {TWILIO_ROUTE_EVENTS, TWILIO_PATH_EVENTS, BODY_FORM | BODY_JSON | BODY_QUERY, 0},
    {"voice", "/webhooks/twilio/voice", BODY_FORM | BODY_QUERY, ROUTE_ANSWER},
    {"media-stream-twiml", "/media-stream-twiml", BODY_FORM | BODY_QUERY, ROUTE_ANSWER},
    {TWILIO_ROUTE_STREAM, TWILIO_PATH_STREAM, BODY_QUERY, ROUTE_STREAM},
    {TWILIO_ROUTE_API_CALL, NULL, 0, 0},
    {TWILIO_ROUTE_API_EVENT, NULL, 0, 0},
    {TWILIO_ROUTE_API_RECORDING, NULL, 0, 0},
    {TWILIO_ROUTE_API_TRANSCRIPTION, NULL, 0, 0},
};
