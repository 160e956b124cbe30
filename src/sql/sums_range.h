/*
 * sums_range.h: what is asked for by name, and what a range of time has of it, from the tiers that hold the range or from nodes.
 */
#ifndef SLM_SQL_SUMS_RANGE_H
#define SLM_SQL_SUMS_RANGE_H

#include "tiers/sums.h"
#include "types/event_type.h"

/* A dimension, an event type, by its name; an error if there is none. */
extern SlmDimension slm_asked_dimension(const char *name);
extern SlmEventType slm_asked_type(const char *name);

/* The bytes of a text, which must stay where it is. */
extern SlmSlice slm_text_slice(Datum value);

/* The number of a key that is given as text. */
extern uint32 slm_sums_key(SlmSums *sums, Datum key);

/* A condition on rows, "AND product_id = ANY (…)", that these keys (text[]) meet; palloc'd. */
extern char *slm_only_keys(SlmDimension dimension, Datum keys);

/* A value as a literal of SQL; palloc'd. */
extern char *slm_quoted(Datum value, Oid type);

/*
 * Add what a range has whose ends are starts of buckets (timestamptz).  only: as for slm_segments_sum(); few: these are so few keys that rows are
 * found sooner than segments are read.  With SPI.
 */
extern void slm_sums_add_range(SlmSums *sums, SlmEventType type, Datum from, Datum to, const char *only, bool few);

/* Is this a database that shows what nodes have?  With SPI. */
extern bool slm_asks_nodes(void);

/*
 * Each node adds up its own.  function: sums_of_nodes, whose last argument is the keys, or best_of_nodes, of which it is by what, and how many.
 * With SPI.
 */
extern void slm_sums_add_nodes(SlmSums *sums, const char *type, Datum from, Datum to, const char *function, const char *arguments);

#endif							/* SLM_SQL_SUMS_RANGE_H */
