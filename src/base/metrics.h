/* metrics.h – counters, gauges and histograms in Prometheus' text format.
 *
 * Families are rows of the table below. A series is looked up once (by family and label text) and its pointer kept;
 * adding to it is one relaxed atomic. Series are never removed, so labels must come from small fixed sets. Any thread.
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4). */
#ifndef HOOKLINE_BASE_METRICS_H
#define HOOKLINE_BASE_METRICS_H

#include "base/mem.h"

#define METRIC_FAMILIES(X)                                                                                             \
    /* id                     name                                       kind       help */                            \
    X(METRIC_BUILD_INFO, "hookline_build_info", GAUGE, "Always 1; the version is a label")                             \
    X(METRIC_START_TIME, "hookline_start_time_seconds", GAUGE, "When the process started, Unix time")                  \
    X(METRIC_REQUESTS, "hookline_http_requests_total", COUNTER, "Requests answered, by route and status")              \
    X(METRIC_CONNECTIONS, "hookline_http_connections", GAUGE, "Open connections")                                      \
    X(METRIC_ACCEPTED, "hookline_http_connections_total", COUNTER, "Connections accepted")                             \
    X(METRIC_INPUT, "hookline_http_input_bytes", GAUGE, "Requests that are being read")                                \
    X(METRIC_CUT, "hookline_http_connections_cut_total", COUNTER, "Connections closed by us, by reason")               \
    X(METRIC_REJECTIONS, "hookline_rejections_total", COUNTER, "Deliveries refused, by provider and reason")           \
    X(METRIC_DELIVERIES, "hookline_deliveries_total", COUNTER,                                                         \
      "Deliveries acknowledged, by provider and what became of them")                                                  \
    X(METRIC_UNSTORED, "hookline_unstored_total", COUNTER, "Genuine deliveries counted but not stored, by provider")   \
    X(METRIC_BATCH_SIZE, "hookline_batch_deliveries", HISTOGRAM, "Deliveries in one transaction")                      \
    X(METRIC_COMMIT_SECONDS, "hookline_commit_seconds", HISTOGRAM, "From sending a batch to its commit")               \
    X(METRIC_ACK_SECONDS, "hookline_ack_seconds", HISTOGRAM, "From a delivery's arrival to its acknowledgement")       \
    X(METRIC_BATCH_ERRORS, "hookline_batch_errors_total", COUNTER,                                                     \
      "Batches that PostgreSQL refused, by SQLSTATE class")                                                            \
    X(METRIC_QUEUE_BYTES, "hookline_queue_bytes", GAUGE, "Deliveries in memory that are not committed yet")            \
    X(METRIC_QUEUE_ITEMS, "hookline_queue_deliveries", GAUGE, "The same, counted")                                     \
    X(METRIC_DATABASE_UP, "hookline_database_up", GAUGE, "1 while PostgreSQL takes deliveries")                        \
    X(METRIC_DATABASE_LOST, "hookline_database_connections_lost_total", COUNTER,                                       \
      "Connections to PostgreSQL that broke or failed")                                                                \
    X(METRIC_DIALPLAN, "hookline_dialplan_numbers", GAUGE,                                                             \
      "Telephone numbers of ours for whose calls there is a plan")                                                     \
    X(METRIC_JOURNAL_UP, "hookline_journal_up", GAUGE, "1 while the journal can be written")                           \
    X(METRIC_JOURNAL_ITEMS, "hookline_journal_deliveries", GAUGE, "Deliveries on disk that are not drained yet")       \
    X(METRIC_JOURNAL_BYTES, "hookline_journal_bytes", GAUGE, "The same, in bytes")                                     \
    X(METRIC_JOURNAL_PENDING, "hookline_journal_pending_bytes", GAUGE,                                                 \
      "Deliveries in memory that wait for the journal's disk")                                                         \
    X(METRIC_JOURNAL_DRAINED, "hookline_journal_drained_total", COUNTER,                                               \
      "Deliveries brought from journals to PostgreSQL")                                                                \
    X(METRIC_JOURNAL_FAILURES, "hookline_journal_failures_total", COUNTER, "Times that the journal failed")            \
    X(METRIC_JOURNAL_ASIDE, "hookline_journal_aside_total", COUNTER,                                                   \
      "Segments set aside: something in them could not be read or stored")                                             \
    X(METRIC_JOURNAL_SECONDS, "hookline_journal_seconds", HISTOGRAM, "From writing a group of deliveries to its sync") \
    X(METRIC_RETRY, "hookline_retry_deliveries", GAUGE, "Deliveries heard on streams that are to be tried again")      \
    X(METRIC_LOST, "hookline_deliveries_lost_total", COUNTER,                                                          \
      "Deliveries heard on streams that neither PostgreSQL nor the journal took")                                      \
    X(METRIC_STREAMS, "hookline_media_streams", GAUGE, "Open media streams")                                           \
    X(METRIC_STREAMS_TOTAL, "hookline_media_streams_total", COUNTER, "Media streams opened")                           \
    X(METRIC_FRAMES, "hookline_media_frames_total", COUNTER, "Frames of audio received")                               \
    X(METRIC_AUDIO, "hookline_media_audio_bytes_total", COUNTER, "Audio received, decoded")                            \
    X(METRIC_MISSING, "hookline_media_missing_total", COUNTER,                                                         \
      "Messages of streams that were skipped, by their numbers")                                                       \
    X(METRIC_OUT_OF_ORDER, "hookline_media_out_of_order_total", COUNTER,                                               \
      "Messages of streams that came late or twice")                                                                   \
    X(METRIC_DROPPED, "hookline_media_dropped_total", COUNTER, "Messages of streams that were not used, by reason")    \
    X(METRIC_CLOSES, "hookline_media_closes_total", COUNTER, "Media streams closed, by code and by whom")              \
    X(METRIC_BRIDGES, "hookline_bridges", GAUGE, "Calls that an agent answers now")                                    \
    X(METRIC_BRIDGES_TOTAL, "hookline_bridges_total", COUNTER, "Calls that were to be answered by an agent")           \
    X(METRIC_BRIDGE_ENDS, "hookline_bridge_ends_total", COUNTER, "Their ends, by reason")                              \
    X(METRIC_BRIDGE_LOST, "hookline_bridge_sessions_lost_total", COUNTER,                                              \
      "Sessions with the speech provider that were refused, or ended by themselves")                                   \
    X(METRIC_BRIDGE_FAULTS, "hookline_bridge_faults_total", COUNTER, "Errors that the speech provider told, by kind")  \
    X(METRIC_BRIDGE_BARGE_INS, "hookline_bridge_barge_ins_total", COUNTER, "Times that a caller spoke over the agent") \
    X(METRIC_BRIDGE_DROPPED, "hookline_bridge_dropped_total", COUNTER,                                                 \
      "Frames of audio that did not reach the speech provider")                                                        \
    X(METRIC_BRIDGE_READY_SECONDS, "hookline_bridge_ready_seconds", HISTOGRAM,                                         \
      "From a call's begin to its agent being there")                                                                  \
    X(METRIC_BRIDGE_ANSWER_SECONDS, "hookline_bridge_answer_seconds", HISTOGRAM,                                       \
      "From a caller's last word to the agent's first sound")                                                          \
    X(METRIC_RECONCILE_RUNS, "hookline_reconcile_runs_total", COUNTER, "Reconcile runs, by provider and result")       \
    X(METRIC_RECONCILE_CALLS, "hookline_reconcile_calls_total", COUNTER,                                               \
      "Calls that runs looked at, by provider and what became of them")                                                \
    X(METRIC_RECONCILE_REQUESTS, "hookline_reconcile_requests_total", COUNTER,                                         \
      "Requests to providers' APIs, by provider and status (0: no answer)")                                            \
    X(METRIC_API, "hookline_api_requests", GAUGE, "Requests of the API that wait for an answer")                       \
    X(METRIC_LOG_DROPPED, "hookline_log_lines_dropped_total", COUNTER, "Log lines that did not fit the buffer")

#define METRIC_ENUM(id, name, kind, help) id,
typedef enum metric_family { METRIC_FAMILIES(METRIC_ENUM) METRIC_FAMILY_COUNT } metric_family_t;
#undef METRIC_ENUM

typedef struct metric metric_t;       /* one counter or gauge */
typedef struct histogram histogram_t; /* one histogram */

/* labels: the text between the braces, e.g. route="/livez",status="200"; "" for none. Made when first asked for.
 * The pointer is good for the life of the process. */
metric_t *metrics_series(metric_family_t family, const char *labels);
void metric_add(metric_t *m, int64_t n);
void metric_set(metric_t *m, int64_t value);
int64_t metric_value(const metric_t *m);

/* bounds: ascending upper bounds, count of them; the text form uses them as they are (seconds, deliveries …). */
histogram_t *metrics_histogram(metric_family_t family, const char *labels, const double *bounds, size_t count);
void histogram_observe(histogram_t *h, double value);
extern const double METRIC_SECONDS_BOUNDS[14]; /* 0.25 ms … 10 s */

void metrics_render(buf_t *out);

#endif
