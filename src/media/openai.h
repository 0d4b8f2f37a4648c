/* openai.h – what the files of OpenAI's dialect share: the writers (openai_write.c), for realtime_dialect_t. */
#ifndef HOOKLINE_MEDIA_OPENAI_H
#define HOOKLINE_MEDIA_OPENAI_H

#include "media/realtime.h"

str_t openai_address(arena_t *a, str_t base, str_t model);
void openai_configure(buf_t *out, const realtime_config_t *c, str_t event_id);
void openai_hear(buf_t *out, str_t base64);
void openai_speak(buf_t *out, str_t instructions, str_t event_id);
void openai_cancel(buf_t *out, str_t response);
void openai_truncate(buf_t *out, str_t item, int part, int64_t heard_ms, str_t event_id);
void openai_forget(buf_t *out, str_t item);
void openai_recall(buf_t *out, str_t id, str_t role, str_t text);
void openai_stop_answering(buf_t *out);
void openai_end_turn(buf_t *out, str_t event_id);

#endif
