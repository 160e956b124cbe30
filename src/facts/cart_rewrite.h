/*
 * cart_rewrite.h: carts that rows are taken out of.
 */
#ifndef SLM_FACTS_CART_REWRITE_H
#define SLM_FACTS_CART_REWRITE_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "pure/carts.h"

/*
 * Under the writer's lock: forget the carts, of sessions and of users, that these rows tell of (old), and fold them anew from what all others (others) and new rows
 * (new) say.  A last time can't be taken back, so this is the only way.  Users are joined in all three.  Needs SPI.
 */
extern void slm_carts_rewrite(SlmCarts *old, SlmCarts *others, SlmCarts *new, TimestampTz head);

#endif							/* SLM_FACTS_CART_REWRITE_H */
