/*
 * source_format.h: the formats of sources, as they are kept in sellometer.source_formats.
 */
#ifndef SLM_LEDGER_SOURCE_FORMAT_H
#define SLM_LEDGER_SOURCE_FORMAT_H

#include "postgres.h"

#include "pure/format.h"
#include "utils/jsonb.h"

/*
 * What a description says, with all of its strings in the context.  An error, with what to write instead, if it is none:
 * docs/formats.md has its words.
 */
extern const SlmFormat *slm_format_compile(Jsonb *description, MemoryContext context);

/*
 * In a transaction with SPI: the format of this number; NULL for 0.  It lives as long as the process: a format never changes, a source
 * gets another one.
 */
extern const SlmFormat *slm_format_get(int64 id);

#endif							/* SLM_LEDGER_SOURCE_FORMAT_H */
