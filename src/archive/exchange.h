/*
 * exchange.h: an object's content, exchanged for a later one.
 */
#ifndef SLM_ARCHIVE_EXCHANGE_H
#define SLM_ARCHIVE_EXCHANGE_H

#include "postgres.h"

/*
 * In the caller's transaction, which has locked both rows of sellometer.objects: take out of tiers and view log what the
 * first content (old) counted, which must be archived, and count the later one (new); if that has more rows than are loaded at once, it is
 * looked through, and waits to be loaded.  An error if that can't be done exactly; nothing has happened then.  Needs SPI.
 */
extern void slm_exchange_object(int64 old, int64 new);

#endif							/* SLM_ARCHIVE_EXCHANGE_H */
