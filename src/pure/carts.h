/*
 * carts.h: what became of the products in carts.
 *
 *   chunk:  SlmCartEvents   cart, remove_from_cart and purchase events of a session or a user, one by one, until their times are judged
 *   batch:  SlmCarts        folded: for each (session, product) the last time of each type,
 *                           for each (user, product) the last removal and the last purchase, in whichever session
 *
 * The last of a set does not depend on the order in which it is seen: so what is folded here, and folded again in
 * sellometer.carts, is a function of the set of events.  Of several cart events at the same last time the one with the
 * lowest price counts, then the one with the lowest user_id; one without a user_id comes last.
 *
 * What a user has taken out or bought in one session is taken out of the carts of all sessions of the user.  Which these are
 * is asked when carts are read: here is no more than what the events themselves say.
 */
#ifndef SLM_PURE_CARTS_H
#define SLM_PURE_CARTS_H

#include "pure/interner.h"
#include "pure/reader.h"

/* A longer session has no cart: it could not be an index key. */
#define SLM_MAX_CART_SESSION	SLM_MAX_KEY_BYTES

#define SLM_NEVER	INT64_MIN

typedef struct SlmCartEvent
{
	uint64_t	fingerprint;	/* of session and product */
	SlmTime		time;
	int64_t		product_id;
	int64_t		user_id;		/* valid if has_user_id */
	SlmMoney	price;
	SlmSlice	session;		/* empty: it tells of the user alone, and has no fingerprint */
	uint8_t		type;			/* SlmEventType, not SLM_VIEW */
	bool		has_user_id;
} SlmCartEvent;

/* Zero-initialised is empty.  The sessions' bytes belong to the list. */
typedef struct SlmCartEvents
{
	SlmCartEvent *events;
	uint32_t	n;
	uint32_t	max;
	SlmBytes	bytes;
} SlmCartEvents;

/* What is known of a product in a session's cart.  Times are SLM_NEVER where there was no such event. */
typedef struct SlmCart
{
	uint64_t	fingerprint;
	int64_t		product_id;
	SlmTime		cart;
	SlmTime		removal;
	SlmTime		purchase;
	SlmMoney	price;			/* of the last cart event, as are the next two */
	int64_t		user_id;
	SlmSlice	session;
	bool		has_user_id;
} SlmCart;

/* What is known of a product and a user, in whichever session or none.  Times are SLM_NEVER where there was no such event. */
typedef struct SlmUserCart
{
	int64_t		user_id;
	int64_t		product_id;
	SlmTime		removal;
	SlmTime		purchase;
} SlmUserCart;

/* Zero-initialised is empty. */
typedef struct SlmCarts
{
	SlmCart    *carts;
	uint32_t   *slots;			/* number of a cart + 1; 0: free */
	uint32_t	n;
	uint32_t	max;
	uint32_t	nslots;			/* a power of two, or 0 */
	SlmBytes	bytes;
	SlmUserCart *users;			/* one for each event, until slm_carts_join_users() */
	uint32_t	nusers;
	uint32_t	maxusers;
} SlmCarts;

/* Does an event tell about a session's cart? */
static inline bool
slm_is_session_cart_event(const SlmEvent *event)
{
	return event->type != SLM_VIEW && event->session.len > 0 && event->session.len <= SLM_MAX_CART_SESSION;
}

/* Does it take a product out of all carts of a user? */
static inline bool
slm_is_user_cart_event(const SlmEvent *event)
{
	return (event->type == SLM_REMOVE_FROM_CART || event->type == SLM_PURCHASE) && event->has_user_id;
}

/* Does an event tell about carts, one or more? */
static inline bool
slm_is_cart_event(const SlmEvent *event)
{
	return event->type != SLM_VIEW && (slm_is_session_cart_event(event) || slm_is_user_cart_event(event));
}

/* Note an event, which slm_is_cart_event().  False if out of memory. */
extern bool slm_cart_events_add(SlmCartEvents *list, const SlmHashKey *key, const SlmEvent *event);

/* Take out the events before or after these times. */
extern void slm_cart_events_keep(SlmCartEvents *list, SlmTime first, SlmTime last);

extern void slm_cart_events_reset(SlmCartEvents *list);
extern void slm_cart_events_free(SlmCartEvents *list);

/* Fold events in.  False if out of memory: the carts are then of no use. */
extern bool slm_carts_fold(SlmCarts *carts, const SlmCartEvents *list);

extern void slm_carts_reset(SlmCarts *carts);
extern void slm_carts_free(SlmCarts *carts);
extern size_t slm_carts_memory(const SlmCarts *carts);

/* Sort users, and have each be there but once for a product.  False if out of memory: nothing has changed then. */
extern bool slm_carts_join_users(SlmCarts *carts);

/*
 * The numbers of the carts, about in the bytewise order of their sessions: an index is written much faster that way.
 * malloc'ed; NULL if out of memory.
 */
extern uint32_t *slm_carts_order(const SlmCarts *carts);

/*
 * As bytes, a multiple of eight, from one process to another of the same binary.  unpack folds them in; data is aligned to
 * eight.  False if out of memory or if it is not what pack has written; the carts are then of no use.
 */
extern size_t slm_carts_packed_size(const SlmCarts *carts);
extern void slm_carts_pack(const SlmCarts *carts, char *to);
extern bool slm_carts_unpack(SlmCarts *carts, const char *data, size_t len);

#endif							/* SLM_PURE_CARTS_H */
