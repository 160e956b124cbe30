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

/* Enter what was listed in the source and isn't known yet; returns the number of objects that are new. */
extern int	slm_ledger_enter(const char *source, const SlmListed *listed, int n);

#endif							/* SLM_LEDGER_ENTER_H */
