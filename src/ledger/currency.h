/*
 * currency.h: rates of currencies, as the user has given them.
 */
#ifndef SLM_LEDGER_CURRENCY_H
#define SLM_LEDGER_CURRENCY_H

#include "postgres.h"

#include "pure/rates.h"

/*
 * Rates for an object whose rows are read to be counted: known are those by which rows of it were converted before (written as
 * slm_rates_write() has it; data may be NULL), others are looked up in sellometer.currency_rates, as it is when a row needs them, in a
 * transaction of its own if there is none.  *rates is zero-initialised; slm_rates_free() is the caller's.  An error if what is known is
 * malformed.
 */
extern void slm_currency_begin(SlmRates *rates, const char *data, size_t len);

/* Likewise for rows that were counted before: what is known, and nothing else. */
extern void slm_currency_known(SlmRates *rates, const char *data, size_t len);

/* What is known now, in the current memory context; NULL and *len = 0: nothing. */
extern char *slm_currency_write(const SlmRates *rates, size_t *len);

/* Bytes as a value of the ledger. */
extern Datum slm_currency_datum(const char *data, size_t len);

#endif							/* SLM_LEDGER_CURRENCY_H */
