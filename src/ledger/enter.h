/*
 * enter.h: what was listed, entered into the ledger.
 */
#ifndef SLM_LEDGER_ENTER_H
#define SLM_LEDGER_ENTER_H

#include "postgres.h"
#include "datatype/timestamp.h"

/* An object, as a list has it. */
typedef struct SlmListed
{
	char	   *key;
	char	   *etag;
	int64		size;
	TimestampTz last_modified;
} SlmListed;

/*
 * Enter the n objects that were listed in the source, as far as they aren't known yet; returns the number of those that are new.  May wait
 * for whoever is loading one of the same key.  Needs SPI.
 */
extern int	slm_ledger_enter(const char *source, const SlmListed *listed, int n);

#endif							/* SLM_LEDGER_ENTER_H */
