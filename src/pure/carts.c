/*
 * carts.c: what became of the products in carts.
 */
#include "pure/carts.h"

#include <stdlib.h>

#include "pure/assert.h"
#include "pure/sort.h"

#define MIN_SLOTS	256

/* --- events of a chunk --- */

bool
slm_cart_events_add(SlmCartEvents *list, const SlmHashKey *key, const SlmEvent *event)
{
	SlmCartEvent *added;
	char	   *session = slm_bytes_keep(&list->bytes, event->session.data, event->session.len);

	SLM_ASSERT(slm_is_cart_event(event));

	if (session == NULL || !slm_grow((void **) &list->events, list->n, &list->max, sizeof(SlmCartEvent)))
		return false;
	added = &list->events[list->n++];
	*added = (SlmCartEvent) {
		.fingerprint = slm_view_fingerprint(key, event->session, event->product_id),
		.time = event->time,.product_id = event->product_id,
		.user_id = event->has_user_id ? event->user_id : 0,.has_user_id = event->has_user_id,
		.price = event->price,.session = {session, event->session.len},.type = event->type
	};
	return true;
}

void
slm_cart_events_keep(SlmCartEvents *list, SlmTime first, SlmTime last)
{
	uint32_t	kept = 0;

	for (uint32_t i = 0; i < list->n; i++)
	{
		if (list->events[i].time >= first && list->events[i].time <= last)
			list->events[kept++] = list->events[i];
	}
	list->n = kept;
}

void
slm_cart_events_reset(SlmCartEvents *list)
{
	list->n = 0;
	slm_bytes_free(&list->bytes);
}

void
slm_cart_events_free(SlmCartEvents *list)
{
	free(list->events);
	slm_bytes_free(&list->bytes);
	*list = (SlmCartEvents) {0};
}

/* --- folding --- */

static uint32_t *
find_slot(const SlmCarts *carts, uint64_t fingerprint, int64_t product_id, SlmSlice session)
{
	for (uint32_t s = (uint32_t) (fingerprint >> 32) & (carts->nslots - 1);; s = (s + 1) & (carts->nslots - 1))
	{
		const SlmCart *cart;

		if (carts->slots[s] == 0)
			return &carts->slots[s];
		cart = &carts->carts[carts->slots[s] - 1];
		/* the fingerprint is only a hash here: two carts are one if they are the same */
		if (cart->fingerprint == fingerprint && cart->product_id == product_id && cart->session.len == session.len &&
			memcmp(cart->session.data, session.data, session.len) == 0)
			return &carts->slots[s];
	}
}

static bool
grow_slots(SlmCarts *carts)
{
	uint32_t	nslots = carts->nslots ? carts->nslots * 2 : MIN_SLOTS;
	uint32_t   *slots = nslots > carts->nslots ? calloc(nslots, sizeof(uint32_t)) : NULL;

	if (slots == NULL)
		return false;
	free(carts->slots);
	carts->slots = slots;
	carts->nslots = nslots;
	for (uint32_t i = 0; i < carts->n; i++)
	{
		const SlmCart *cart = &carts->carts[i];

		*find_slot(carts, cart->fingerprint, cart->product_id, cart->session) = i + 1;
	}
	return true;
}

/* The cart of this session and product, added if new; NULL if out of memory. */
static SlmCart *
get_cart(SlmCarts *carts, uint64_t fingerprint, int64_t product_id, SlmSlice session)
{
	uint32_t   *slot;
	SlmCart    *cart;
	char	   *copy;

	if (carts->n >= carts->nslots / 4 * 3 && !grow_slots(carts))
		return NULL;
	slot = find_slot(carts, fingerprint, product_id, session);
	if (*slot != 0)
		return &carts->carts[*slot - 1];
	copy = slm_bytes_keep(&carts->bytes, session.data, session.len);
	if (copy == NULL || !slm_grow((void **) &carts->carts, carts->n, &carts->max, sizeof(SlmCart)))
		return NULL;
	cart = &carts->carts[carts->n++];
	*slot = carts->n;
	*cart = (SlmCart) {
		.fingerprint = fingerprint,.product_id = product_id,.session = {copy, session.len},
		.cart = SLM_NEVER,.removal = SLM_NEVER,.purchase = SLM_NEVER
	};
	return cart;
}

/* Does a cart event count rather than the one that the cart has? */
static bool
is_last(const SlmCart *cart, SlmTime time, SlmMoney price, bool has_user_id, int64_t user_id)
{
	if (time != cart->cart)
		return time > cart->cart;
	if (price != cart->price)
		return price < cart->price;
	if (has_user_id != cart->has_user_id)
		return has_user_id;
	return user_id < cart->user_id;
}

static void
put_in(SlmCart *cart, SlmTime time, SlmMoney price, bool has_user_id, int64_t user_id)
{
	if (time == SLM_NEVER || !is_last(cart, time, price, has_user_id, user_id))
		return;
	cart->cart = time;
	cart->price = price;
	cart->has_user_id = has_user_id;
	cart->user_id = user_id;
}

static void
later(SlmTime *time, SlmTime other)
{
	if (other > *time)
		*time = other;
}

bool
slm_carts_fold(SlmCarts *carts, const SlmCartEvents *list)
{
	for (uint32_t i = 0; i < list->n; i++)
	{
		const SlmCartEvent *event = &list->events[i];
		SlmCart    *cart = get_cart(carts, event->fingerprint, event->product_id, event->session);

		SLM_ASSERT(event->type != SLM_VIEW);

		if (cart == NULL)
			return false;
		if (event->type == SLM_CART)
			put_in(cart, event->time, event->price, event->has_user_id, event->user_id);
		else
			later(event->type == SLM_PURCHASE ? &cart->purchase : &cart->removal, event->time);
	}
	return true;
}

void
slm_carts_reset(SlmCarts *carts)
{
	if (carts->n > 0)
		memset(carts->slots, 0, carts->nslots * sizeof(uint32_t));
	carts->n = 0;
	slm_bytes_free(&carts->bytes);
}

void
slm_carts_free(SlmCarts *carts)
{
	free(carts->carts);
	free(carts->slots);
	slm_bytes_free(&carts->bytes);
	*carts = (SlmCarts) {0};
}

size_t
slm_carts_memory(const SlmCarts *carts)
{
	return carts->max * sizeof(SlmCart) + carts->nslots * sizeof(uint32_t) + carts->bytes.memory;
}

/* The first eight bytes, as a number that orders as they do. */
static uint64_t
prefix(SlmSlice session)
{
	char		bytes[8] = {0};

	memcpy(bytes, session.data, session.len < 8 ? session.len : 8);
	return __builtin_bswap64(slm_load64(bytes));
}

uint32_t *
slm_carts_order(const SlmCarts *carts)
{
	SlmSortItem *items = malloc((carts->n + (size_t) 1) * sizeof(SlmSortItem));
	uint32_t   *order = malloc((carts->n + (size_t) 1) * sizeof(uint32_t));

	if (items != NULL && order != NULL)
	{
		for (uint32_t i = 0; i < carts->n; i++)
			items[i] = (SlmSortItem) {.key = prefix(carts->carts[i].session),.index = i};
		/* whatever the order, it is right: short of memory it is only slower */
		(void) slm_sort(items, carts->n);
		for (uint32_t i = 0; i < carts->n; i++)
			order[i] = (uint32_t) items[i].index;
		free(items);
		return order;
	}
	free(items);
	free(order);
	return NULL;
}

/* --- from process to process: the carts, then the bytes of their sessions, one after the other --- */

static size_t
aligned(size_t len)
{
	return (len + 7) & ~(size_t) 7;
}

size_t
slm_carts_packed_size(const SlmCarts *carts)
{
	size_t		sessions = 0;

	for (uint32_t i = 0; i < carts->n; i++)
		sessions += carts->carts[i].session.len;
	return sizeof(uint64_t) + carts->n * sizeof(SlmCart) + aligned(sessions);
}

void
slm_carts_pack(const SlmCarts *carts, char *to)
{
	uint64_t	n = carts->n;
	char	   *end = to + slm_carts_packed_size(carts);

	memcpy(to, &n, sizeof(n));
	to += sizeof(n);
	if (n > 0)
		memcpy(to, carts->carts, n * sizeof(SlmCart));
	to += n * sizeof(SlmCart);
	for (uint64_t i = 0; i < n; i++)
	{
		memcpy(to, carts->carts[i].session.data, carts->carts[i].session.len);
		to += carts->carts[i].session.len;
	}
	SLM_ASSERT(to <= end && end - to < 8);
	memset(to, 0, (size_t) (end - to));
}

bool
slm_carts_unpack(SlmCarts *carts, const char *data, size_t len)
{
	const char *sessions;
	size_t		left;
	uint64_t	n;

	if (len < sizeof(n))
		return false;
	memcpy(&n, data, sizeof(n));
	left = len - sizeof(n);
	if (n > left / sizeof(SlmCart))
		return false;
	left -= n * sizeof(SlmCart);
	sessions = data + len - left;
	for (uint64_t i = 0; i < n; i++)
	{
		const SlmCart *from = (const SlmCart *) (data + sizeof(n)) + i;
		SlmCart    *cart;

		if (from->session.len > left)
			return false;
		cart = get_cart(carts, from->fingerprint, from->product_id, (SlmSlice) {sessions, from->session.len});
		if (cart == NULL)
			return false;
		sessions += from->session.len;
		left -= from->session.len;
		put_in(cart, from->cart, from->price, from->has_user_id, from->user_id);
		later(&cart->removal, from->removal);
		later(&cart->purchase, from->purchase);
	}
	return left < 8;
}
