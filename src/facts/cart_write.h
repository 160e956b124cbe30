/*
 * cart_write.h: from a batch's carts to rows of sellometer.carts, sellometer.user_cart_log and sellometer.cart_changes.
 */
#ifndef SLM_FACTS_CART_WRITE_H
#define SLM_FACTS_CART_WRITE_H

#include "postgres.h"
#include "bulkwrite/bulk.h"
#include "datatype/timestamp.h"
#include "pure/carts.h"

/*
 * Under the writer's lock: merge the carts into the one table and append the users to the other, but for those whose last event is older than
 * sellometer.cart_retention behind the head (DT_NOBEGIN: no head yet, merge all).  The carts' users are joined by that.  callback: see
 * slm_bulk_begin().
 */
extern void slm_carts_write(SlmCarts *carts, TimestampTz head, const SlmCallback *callback);

/* Have sellometer_remind() look again at all that was put into carts since then; slm_carts_write() does so of what it writes. */
extern void slm_carts_have_changed(TimestampTz from);

/* Delete the rows whose last event is that old, and reminders of then, if it is time again; returns how many carts. */
extern uint64 slm_carts_prune(TimestampTz head);

#endif							/* SLM_FACTS_CART_WRITE_H */
