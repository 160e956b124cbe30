/*
 * sink.h: a file to write, plain or gzipped.  Failures end the program.
 */
#ifndef TRAFFIC_SINK_H
#define TRAFFIC_SINK_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Sink Sink;

/* path "-" is standard output.  append: add to what is there. */
extern Sink *sink_open(const char *path, bool gzip, bool append);
extern void sink_write(Sink *sink, const char *data, size_t len);

/* Let a reader see all that was written so far. */
extern void sink_flush(Sink *sink);
extern void sink_close(Sink *sink);

#endif							/* TRAFFIC_SINK_H */
