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
	SlmSlice	session = slm_is_session_cart_event(event) ? event->session : (SlmSlice) {"", 0};
	char	   *copy = slm_bytes_keep(&list->bytes, session.data, session.len);

	SLM_ASSERT(slm_is_cart_event(event));

	if (copy == NULL || !slm_grow((void **) &list->events, list->n, &list->max, sizeof(SlmCartEvent)))
		return false;
	added = &list->events[list->n++];
	*added = (SlmCartEvent) {
		.fingerprint = session.len > 0 ? slm_view_fingerprint(key, session, event->product_id) : 0,
		.time = event->time,.product_id = event->product_id,
		.user_id = event->has_user_id ? event->user_id : 0,.has_user_id = event->has_user_id,
		.price = event->price,.session = {copy, session.len},.type = event->type
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

static bool
fold_session(SlmCarts *carts, const SlmCartEvent *event)
{
	SlmCart    *cart = get_cart(carts, event->fingerprint, event->product_id, event->session);

	if (cart == NULL)
		return false;
	if (event->type == SLM_CART)
		put_in(cart, event->time, event->price, event->has_user_id, event->user_id);
	else
		later(event->type == SLM_PURCHASE ? &cart->purchase : &cart->removal, event->time);
	return true;
}

static bool
add_user(SlmCarts *carts, const SlmUserCart *user)
{
	if (!slm_grow((void **) &carts->users, carts->nusers, &carts->maxusers, sizeof(SlmUserCart)))
		return false;
	carts->users[carts->nusers++] = *user;
	return true;
}

bool
slm_carts_fold(SlmCarts *carts, const SlmCartEvents *list)
{
	for (uint32_t i = 0; i < list->n; i++)
	{
		const SlmCartEvent *event = &list->events[i];
		SlmUserCart user = {.user_id = event->user_id,.product_id = event->product_id,.removal = SLM_NEVER,.purchase = SLM_NEVER};

		SLM_ASSERT(event->type != SLM_VIEW);

		if (event->session.len > 0 && !fold_session(carts, event))
			return false;
		if (event->type == SLM_CART || !event->has_user_id)
			continue;
		*(event->type == SLM_PURCHASE ? &user.purchase : &user.removal) = event->time;
		if (!add_user(carts, &user))
			return false;
	}
	return true;
}

static int
compare_users(const void *a, const void *b)
{
	const SlmUserCart *one = a;
	const SlmUserCart *other = b;

	return (one->product_id > other->product_id) - (one->product_id < other->product_id);
}

/* The n of one user: each product once, from the beginning on; returns how many these are. */
static uint32_t
join_user(SlmUserCart *users, uint32_t n)
{
	uint32_t	last = 0;

	if (n > 1)
		qsort(users, n, sizeof(SlmUserCart), compare_users);
	for (uint32_t i = 1; i < n; i++)
	{
		if (users[i].product_id == users[last].product_id)
		{
			later(&users[last].removal, users[i].removal);
			later(&users[last].purchase, users[i].purchase);
		}
		else
			users[++last] = users[i];
	}
	return last + 1;
}

bool
slm_carts_join_users(SlmCarts *carts)
{
	uint32_t	n = carts->nusers;
	uint32_t	joined = 0;
	SlmSortItem *items;
	SlmUserCart *sorted;

	if (n < 2)
		return true;
	items = malloc(n * sizeof(SlmSortItem));
	sorted = malloc(n * sizeof(SlmUserCart));
	if (items != NULL)
	{
		for (uint32_t i = 0; i < n; i++)
			items[i] = (SlmSortItem) {.key = (uint64_t) carts->users[i].user_id,.index = i};
	}
	if (items == NULL || sorted == NULL || !slm_sort(items, n))
	{
		free(items);
		free(sorted);
		return false;
	}
	for (uint32_t i = 0; i < n; i++)
		sorted[i] = carts->users[items[i].index];
	free(items);
	for (uint32_t first = 0, end; first < n; first = end)
	{
		uint32_t	of_user;

		for (end = first + 1; end < n && sorted[end].user_id == sorted[first].user_id; end++);
		of_user = join_user(sorted + first, end - first);
		memmove(sorted + joined, sorted + first, of_user * sizeof(SlmUserCart));
		joined += of_user;
	}
	free(carts->users);
	carts->users = sorted;
	carts->nusers = joined;
	carts->maxusers = n;
	return true;
}

void
slm_carts_reset(SlmCarts *carts)
{
	if (carts->n > 0)
		memset(carts->slots, 0, carts->nslots * sizeof(uint32_t));
	carts->n = 0;
	carts->nusers = 0;
	slm_bytes_free(&carts->bytes);
}

void
slm_carts_free(SlmCarts *carts)
{
	free(carts->carts);
	free(carts->slots);
	free(carts->users);
	slm_bytes_free(&carts->bytes);
	*carts = (SlmCarts) {0};
}

size_t
slm_carts_memory(const SlmCarts *carts)
{
	return carts->max * sizeof(SlmCart) + carts->maxusers * sizeof(SlmUserCart) + carts->nslots * sizeof(uint32_t) + carts->bytes.memory;
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

/* --- from process to process: how many, the carts, the users, then the bytes of the carts' sessions, one after the other --- */

typedef struct Packed
{
	uint64_t	n;
	uint64_t	nusers;
} Packed;

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
	return sizeof(Packed) + carts->n * sizeof(SlmCart) + carts->nusers * sizeof(SlmUserCart) + aligned(sessions);
}

void
slm_carts_pack(const SlmCarts *carts, char *to)
{
	Packed		packed = {carts->n, carts->nusers};
	char	   *end = to + slm_carts_packed_size(carts);

	memcpy(to, &packed, sizeof(packed));
	to += sizeof(packed);
	if (packed.n > 0)
		memcpy(to, carts->carts, packed.n * sizeof(SlmCart));
	to += packed.n * sizeof(SlmCart);
	if (packed.nusers > 0)
		memcpy(to, carts->users, packed.nusers * sizeof(SlmUserCart));
	to += packed.nusers * sizeof(SlmUserCart);
	for (uint64_t i = 0; i < packed.n; i++)
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
	const SlmUserCart *users;
	size_t		left;
	Packed		packed;

	if (len < sizeof(packed))
		return false;
	memcpy(&packed, data, sizeof(packed));
	left = len - sizeof(packed);
	if (packed.n > left / sizeof(SlmCart))
		return false;
	left -= packed.n * sizeof(SlmCart);
	if (packed.nusers > left / sizeof(SlmUserCart))
		return false;
	users = (const SlmUserCart *) (data + len - left);
	left -= packed.nusers * sizeof(SlmUserCart);
	sessions = data + len - left;
	for (uint64_t i = 0; i < packed.n; i++)
	{
		const SlmCart *from = (const SlmCart *) (data + sizeof(packed)) + i;
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
	for (uint64_t i = 0; i < packed.nusers; i++)
	{
		if (!add_user(carts, &users[i]))
			return false;
	}
	return left < 8;
}
