/*
 * product_names.h: sellometer.product_names, what files call products.
 */
#ifndef SLM_LEDGER_PRODUCT_NAMES_H
#define SLM_LEDGER_PRODUCT_NAMES_H

#include "ledger/object.h"

/*
 * Have those of n objects that are loaded, in whole or in part, tell what products are called.  Of each the name of the latest hour stays, of
 * that hour the first in the order of bytes: whatever the order of objects.  Writes what changes.  The caller holds the writer's lock.
 */
extern void slm_product_names_write(const SlmObject *objects, int n);

#endif							/* SLM_LEDGER_PRODUCT_NAMES_H */
