/*
 * skus.h: sellometer.skus, the texts that products are known by, and their numbers.
 *
 * A number is made of its text (pure/sku.h), so all agree on it; here is noted which text it is.  The first text that has a number keeps it.
 * Another one is noted in sellometer.sku_collisions, and its rows are rejected from then on.
 */
#ifndef SLM_LEDGER_SKUS_H
#define SLM_LEDGER_SKUS_H

#include "ledger/object.h"

/* Learn which texts are refused.  To be called in a transaction, before objects are read. */
extern void slm_skus_refresh(void);

/* What was learned; stays until it is learned anew. */
extern int	slm_skus_refused(const SlmSlice **list);

/* Texts of objects that are not in sellometer.skus with their numbers. */
typedef struct SlmNewSkus SlmNewSkus;

/* Those of objects that are loaded, in whole or in part; NULL: none, as mostly.  In the current memory context. */
extern SlmNewSkus *slm_skus_find_new(const SlmObject *objects, int n);

/*
 * Note them; the caller holds the writer's lock.  If one has another's number: an error that has what is under way tried once more, after
 * slm_skus_note_collisions().
 */
extern void slm_skus_write(SlmNewSkus *skus);

/* Note what slm_skus_write() found in a transaction that was rolled back, in the one at hand. */
extern void slm_skus_note_collisions(void);

#endif							/* SLM_LEDGER_SKUS_H */
