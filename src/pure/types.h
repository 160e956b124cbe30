/*
 * types.h: the words that the pure layer speaks.
 *
 * Nothing under src/pure/ calls the backend: unit tests, fuzzers and benchmarks link it alone.  Memory comes from
 * malloc or from an SlmArena; a function that can run out of memory says so in its return value, never by exit.
 */
#ifndef SLM_PURE_TYPES_H
#define SLM_PURE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some bytes that somebody else owns.  Not NUL-terminated. */
typedef struct SlmSlice
{
	const char *data;
	uint32_t	len;
} SlmSlice;

/* So many items before one is looked at, what it will lead to is asked of memory: by then it is in the cache. */
#define SLM_AHEAD	16

/* A point in time: microseconds since 2000-01-01 00:00:00 UTC, PostgreSQL's own epoch and unit. */
typedef int64_t SlmTime;

#define SLM_USECS_PER_SEC	INT64_C(1000000)
#define SLM_USECS_PER_MIN	(60 * SLM_USECS_PER_SEC)

/* Exact money: 1/10000 of the currency's unit.  A price is below 10^16 of these; sums need SlmMoneySum. */
typedef int64_t SlmMoney;
typedef __int128 SlmMoneySum;

#define SLM_MONEY_SCALE		4
#define SLM_MONEY_ONE		INT64_C(10000)
#define SLM_PRICE_LIMIT		(INT64_C(1000000000000) * SLM_MONEY_ONE)	/* a price is below this */

/* Event types, in the order of the SQL enum sellometer.event_type. */
typedef enum SlmEventType
{
	SLM_VIEW,
	SLM_CART,
	SLM_REMOVE_FROM_CART,
	SLM_PURCHASE
} SlmEventType;

#define SLM_EVENT_TYPES	4

/* The columns that are known by name; the values index arrays of fields. */
typedef enum SlmColumn
{
	SLM_COL_EVENT_TIME,
	SLM_COL_EVENT_TYPE,
	SLM_COL_PRODUCT_ID,
	SLM_COL_CATEGORY_ID,
	SLM_COL_CATEGORY_CODE,
	SLM_COL_BRAND,
	SLM_COL_PRICE,
	SLM_COL_USER_ID,
	SLM_COL_USER_SESSION,
	/* looked for in rows only where the header has one of them */
	SLM_COL_QUANTITY,
	SLM_COL_EVENT_ID,
	SLM_COL_CURRENCY,
	SLM_COL_PRODUCT_NAME
} SlmColumn;

#define SLM_COLUMNS			13
#define SLM_USUAL_COLUMNS	9	/* those before SLM_COL_QUANTITY */

/* How many dimensions of a user's own there can be, and values that they are made of: behind the columns above stand theirs. */
#define SLM_MAX_OWN			8
#define SLM_ALL_COLUMNS		(SLM_COLUMNS + SLM_MAX_OWN)

/* How many pieces a row may tell of: more is no quantity, but an id or a price in the wrong column. */
#define SLM_MAX_QUANTITY	100000

/* Why a row was rejected.  slm_reject_name() gives the code that stands in sellometer.rejected_rows. */
typedef enum SlmRejectReason
{
	SLM_REJECT_BAD_TIME,
	SLM_REJECT_BAD_EVENT_TYPE,
	SLM_REJECT_BAD_PRODUCT_ID,
	SLM_REJECT_BAD_PRICE,
	SLM_REJECT_BAD_CATEGORY_ID,
	SLM_REJECT_BAD_USER_ID,
	SLM_REJECT_BAD_ENCODING,	/* not UTF-8, or a NUL byte, anywhere in the row */
	SLM_REJECT_BAD_QUOTE,		/* an opening quote without an end */
	SLM_REJECT_COLUMN_COUNT,
	SLM_REJECT_KEY_TOO_LONG,	/* a brand or category that can't be an index key */
	SLM_REJECT_FUTURE,
	SLM_REJECT_CLOCK_JUMP,
	SLM_REJECT_TOO_LONG,		/* a line over 1 MB */
	SLM_REJECT_BAD_QUANTITY,
	SLM_REJECT_NO_RATE,			/* its price is in a currency that has no rate then */
	SLM_REJECT_SKU_TAKEN,		/* another text has the number of this one: see sku.h */
	SLM_REJECT_OTHER_SLICE		/* of a product that another node counts, where that does not look: see node_slice.h */
} SlmRejectReason;

#define SLM_REJECT_REASONS	17

/* The longest key (brand, or category joined from three levels) in bytes: well below a btree tuple's 2704. */
#define SLM_MAX_KEY_BYTES	1000

#endif							/* SLM_PURE_TYPES_H */
