/*
 * money.h: between numeric and exact fixed-point money, and a sum of numerics that is exact whatever comes.
 */
#ifndef SLM_TYPES_MONEY_H
#define SLM_TYPES_MONEY_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/numeric.h"

#include "pure/types.h"

/*
 * An exact sum of numerics.  All zeroes is the empty sum.
 *
 * Prices (up to 4 decimals, below 10^12) are summed in "fixed", in 1/10000: below 2^63 of them can't overflow 128 bits,
 * as 10^16 * 2^63 < 2^127.  Whatever doesn't fit (more decimals, larger, NaN, infinite) is summed by numeric_add() in
 * "rest", palloc'd in the context that the caller names with each call.
 *
 * The backend's int128 and not SlmMoneySum: palloc() aligns to 8 bytes only.
 */
typedef struct SlmSum
{
	int128		fixed;
	int64		rest_values;	/* how many values are summed in rest */
	Numeric		rest;			/* NULL if rest_values is 0 */
} SlmSum;

/*
 * A numeric (the datum as it comes: short header, compressed, whatever) as money.  Returns false, and leaves *money
 * alone, if it has more than 4 decimals, is 10^12 or more (or -10^12 or less), NaN or infinite.
 */
extern bool slm_money_from_numeric(Datum value, SlmMoney *money);

/* A sum of money likewise: up to 4 decimals, below 10^32. */
extern bool slm_money_sum_from_numeric(Datum value, int128 *money);

/* value / 10^decimals as numeric, shown with that many decimals.  decimals: 0 to 6.  Palloc'd. */
extern Numeric slm_decimal_to_numeric(int128 value, int decimals);

/*
 * Money as it is stored: always with four decimals, which cost no room.  A numeric's addition shows as many decimals as
 * the longer of the two, so with fewer here and there equal sums would look different by the way they came about.  Palloc'd.
 */
extern Numeric slm_money_to_numeric(int128 money);

/*
 * The same, but put where the caller has room for SLM_NUMERIC_MAX bytes, aligned as an int; returns how many it took.  Calls nothing
 * of the backend, so threads may.
 */
#define SLM_NUMERIC_MAX		(VARHDRSZ + 2 + 10 * 2)	/* 2^127 has ten digits to base 10000 */
extern Size slm_money_put_numeric(int128 money, char *to);

/* Money as it is shown: two decimals if it is whole cents, else four.  Palloc'd. */
extern Numeric slm_price_to_numeric(int128 money);

/* sum += value.  Raises an error only if numeric_add() does. */
extern void slm_sum_add(SlmSum *sum, Datum value, MemoryContext context);

/* sum += other. */
extern void slm_sum_add_sum(SlmSum *sum, const SlmSum *other, MemoryContext context);

/* sum -= value, which must have been added before.  Returns false, sum unchanged, where that can't be undone. */
extern bool slm_sum_subtract(SlmSum *sum, Datum value, MemoryContext context);

/* Less than, equal to or greater than 0 as a is to b; in the order of numeric, where NaN is the greatest. */
extern int	slm_sum_compare(const SlmSum *a, const SlmSum *b);

/* The sum as numeric, palloc'd: as slm_price_to_numeric() if every value fitted, else as numeric addition scales. */
extern Numeric slm_sum_to_numeric(const SlmSum *sum);

/* Free what the sum points to, and empty it. */
extern void slm_sum_clear(SlmSum *sum);

/* Write a sum to a message (pqformat.h), and read it back: an error is raised for what can't have been written. */
extern void slm_sum_send(StringInfo buf, const SlmSum *sum);
extern void slm_sum_recv(StringInfo buf, SlmSum *sum);

/* A 128-bit integer likewise. */
extern void slm_send_int128(StringInfo buf, int128 value);
extern int128 slm_recv_int128(StringInfo buf);

#endif							/* SLM_TYPES_MONEY_H */
