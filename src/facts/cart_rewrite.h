/*
 * cart_rewrite.h: carts that rows are taken out of.
 */
#ifndef SLM_FACTS_CART_REWRITE_H
#define SLM_FACTS_CART_REWRITE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pure/carts.h"

/*
 * Under the writer's lock: forget the carts that these rows tell of (old), and fold them anew from what all others (others) and new rows
 * (new) say.  A last time can't be taken back, so this is the only way.  Needs SPI.
 */
extern void slm_carts_rewrite(const SlmCarts *old, const SlmCarts *others, const SlmCarts *new, TimestampTz head);

#endif							/* SLM_FACTS_CART_REWRITE_H */
