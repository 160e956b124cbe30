/*
 * rates.h: prices in other currencies than the shop's.
 *
 * Which rate a row is converted by is a function of its currency and its time.  Of an object this function is put together as its rows
 * ask for it, and kept with it: whoever reads the rows again later, in whatever order, converts them as they were counted, whatever rates
 * there are by then.
 *
 *   known spans --none of them holds the row--> find() --> another span, cut off where known ones begin and end
 */
#ifndef SLM_PURE_RATES_H
#define SLM_PURE_RATES_H

#include "pure/types.h"

/* The longest code of a currency, in bytes. */
#define SLM_MAX_CURRENCY	16

/* A rate counts in 10^-12: greater than 0, and below 10^10 of the shop's currency for one of the other.  Memory may be aligned to 8 bytes. */
typedef unsigned __int128 SlmRateValue __attribute__((aligned(8)));

#define SLM_RATE_DECIMALS	12
#define SLM_RATE_ONE		UINT64_C(1000000000000)
#define SLM_RATE_LIMIT		((SlmRateValue) SLM_RATE_ONE * UINT64_C(10000000000))

/* Of a currency from one moment up to, and without, another. */
typedef struct SlmRate
{
	char		currency[SLM_MAX_CURRENCY + 1]; /* in capitals, NUL-terminated */
	SlmTime		from;			/* INT64_MIN: always */
	SlmTime		until;			/* INT64_MAX: for ever */
	SlmRateValue rate;
} SlmRate;

/*
 * Look up a currency, which is written in capitals, at a time.  Sets from and until to a span around the time for which the answer is the
 * same, and the rate if it has one; false if it has none.
 */
typedef bool (*SlmRateFind) (void *arg, const char *currency, SlmTime time, SlmRate *found);

/* Zero-initialised knows none, and finds none. */
typedef struct SlmRates
{
	SlmRateFind find;			/* NULL: there are no others than those that are known */
	void	   *arg;
	bool		as_is;			/* what is not known counts as it stands, in whatever currency */
	bool		used_as_is;		/* and does so for some row */
	SlmRate    *rates;			/* by currency, then from; spans of one don't overlap */
	uint32_t	nrates;
	uint32_t	maxrates;
	uint32_t	last;			/* found last */
	SlmRate		missing;		/* of this one there is none: found last */
	bool		has_missing;
} SlmRates;

typedef enum SlmConversion
{
	SLM_CONVERTED,
	SLM_CONVERT_NO_RATE,
	SLM_CONVERT_TOO_LARGE,		/* not below SLM_PRICE_LIMIT */
	SLM_CONVERT_MEMORY
} SlmConversion;

/*
 * A price in the shop's own currency, rounded to four decimals, half up: (price * rate + 1/2) in integers, exact.  currency: trimmed, not
 * empty; capitals and small letters are the same.  *price is changed only if the outcome is SLM_CONVERTED.
 */
extern SlmConversion slm_rates_convert(SlmRates *rates, SlmSlice currency, SlmTime time, SlmMoney *price);

/* A price by a rate, likewise; false if it is not below SLM_PRICE_LIMIT.  0 <= *price < SLM_PRICE_LIMIT, rate < SLM_RATE_LIMIT. */
extern bool slm_rate_apply(SlmRateValue rate, SlmMoney *price);

/* A rate as it is written, `1.0915`: digits, at most 12 of them behind a point.  False if it is none. */
extern bool slm_rate_parse(SlmSlice text, SlmRateValue *rate);

/*
 * What is known, as bytes: a line a span, `EUR,from,until,rate`, times as SlmTime and empty for always; `*` if the rest counts as it
 * stands.  Returns malloc'ed bytes, which the caller frees, and *len; NULL and *len = 0 if nothing is known, NULL and *len = SIZE_MAX if out
 * of memory.
 */
extern char *slm_rates_write(const SlmRates *rates, size_t *len);

/* Know what was written so; to be called where nothing is known.  False if it is malformed, or out of memory. */
extern bool slm_rates_read(SlmRates *rates, const char *data, size_t len);

extern void slm_rates_free(SlmRates *rates);

#endif							/* SLM_PURE_RATES_H */
