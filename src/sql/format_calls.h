/*
 * format_calls.h: what the calls that add a source have to do with formats.
 */
#ifndef SLM_SQL_FORMAT_CALLS_H
#define SLM_SQL_FORMAT_CALLS_H

#include "postgres.h"

#include "utils/jsonb.h"

/* Needs SPI: keep a format for a source, with the rights of the extension's owner; gives its number. */
extern int64 slm_format_keep(const char *source, Jsonb *description);

/*
 * A source is to be added: an error if the first of its objects can't be read by the format.  Without one (NULL), a warning if it can't be read
 * as it is, that names what helps.
 */
extern void slm_format_check(const char *name, const char *url, const char *server, Datum include, Datum exclude, Jsonb *description);

#endif							/* SLM_SQL_FORMAT_CALLS_H */
