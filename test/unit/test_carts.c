/*
 * Carts: folded in any order, in any pieces, by way of bytes or not, they are what a look at all events gives.
 */
#include "pure/carts.h"
#include "pure/chunk.h"
#include "unit.h"

#define EVENTS		4000
#define SESSIONS	40
#define PRODUCTS	8
#define TIMES		50
#define USERS		30

typedef struct Event
{
	int			session;		/* 0: none; 1: one that is too long */
	int			product;
	SlmTime		time;
	int			type;
	int			price;
	int			user;			/* 0: none */
} Event;

static Event events[EVENTS];
static char too_long[SLM_MAX_CART_SESSION + 2];

static SlmEvent
as_event(const Event *e, char *session)
{
	SlmEvent	event = {.time = e->time,.product_id = e->product,.price = e->price,.type = (SlmEventType) e->type,
	.has_user_id = e->user > 0,.user_id = e->user};

	/* of all lengths, so that packed ones are not aligned; 2 is as long as may be */
	snprintf(session, 64, "s%0*d", e->session % 9 + 1, e->session);
	if (e->session == 1)
		event.session = (SlmSlice) {too_long, SLM_MAX_CART_SESSION + 1};
	else if (e->session == 2)
		event.session = (SlmSlice) {too_long, SLM_MAX_CART_SESSION};
	else if (e->session > 0)
		event.session = (SlmSlice) {session, (uint32_t) strlen(session)};
	return event;
}

static void
make_events(uint64_t seed)
{
	unit_seed = seed;
	for (int i = 0; i < EVENTS; i++)
		events[i] = (Event) {.session = (int) unit_random(SESSIONS),.product = (int) unit_random(PRODUCTS),
			.time = (SlmTime) unit_random(TIMES) - TIMES / 2,.type = (int) unit_random(SLM_EVENT_TYPES),
			.price = (int) unit_random(3),.user = unit_random(2) ? (int) unit_random(3) : (int) unit_random(USERS)};
}

/* Of two cart events: does a count rather than b? */
static bool
counts(const Event *a, const Event *b)
{
	if (a->time != b->time)
		return a->time > b->time;
	if (a->price != b->price)
		return a->price < b->price;
	if (a->user == 0 || b->user == 0)
		return a->user > 0 && b->user == 0;
	return a->user < b->user;
}

static SlmTime
last(const Event *of, int type, SlmTime from, SlmTime to)
{
	SlmTime		time = SLM_NEVER;

	for (int i = 0; i < EVENTS; i++)
	{
		const Event *e = &events[i];

		if (e->session == of->session && e->product == of->product && e->type == type && e->time > time &&
			e->time >= from && e->time <= to)
			time = e->time;
	}
	return time;
}

/* Is a cart as the events that concern it say? */
static bool
is_right(const SlmCart *cart, const Event *of, SlmTime from, SlmTime to)
{
	const Event *best = NULL;

	for (int i = 0; i < EVENTS; i++)
	{
		const Event *e = &events[i];

		if (e->session == of->session && e->product == of->product && e->type == SLM_CART && e->time >= from &&
			e->time <= to && (best == NULL || counts(e, best)))
			best = e;
	}
	if (cart->removal != last(of, SLM_REMOVE_FROM_CART, from, to) || cart->purchase != last(of, SLM_PURCHASE, from, to))
		return false;
	if (best == NULL)
		return cart->cart == SLM_NEVER;
	return cart->cart == best->time && cart->price == best->price && cart->has_user_id == (best->user > 0) &&
		(best->user == 0 || cart->user_id == best->user);
}

/* All carts are right, and there is one for each pair that has an event. */
static bool
all_right(const SlmCarts *carts, SlmTime from, SlmTime to)
{
	uint32_t	expected = 0;

	for (int s = 2; s < SESSIONS; s++)
	{
		for (int p = 0; p < PRODUCTS; p++)
		{
			const Event *any = NULL;
			char		session[64];
			SlmEvent	event;
			bool		found = false;

			for (int i = 0; i < EVENTS && any == NULL; i++)
			{
				if (events[i].session == s && events[i].product == p && events[i].type != SLM_VIEW &&
					events[i].time >= from && events[i].time <= to)
					any = &events[i];
			}
			if (any == NULL)
				continue;
			expected++;
			event = as_event(any, session);
			for (uint32_t i = 0; i < carts->n && !found; i++)
			{
				const SlmCart *cart = &carts->carts[i];

				if (cart->product_id == p && cart->session.len == event.session.len &&
					memcmp(cart->session.data, event.session.data, event.session.len) == 0)
					found = is_right(cart, any, from, to);
			}
			if (!found)
				return false;
		}
	}
	return carts->n == expected && expected > 0;
}

static SlmTime
last_of_user(int user, int product, int type, SlmTime from, SlmTime to)
{
	SlmTime		time = SLM_NEVER;

	for (int i = 0; i < EVENTS; i++)
	{
		const Event *e = &events[i];

		if (e->user == user && e->product == product && e->type == type && e->time > time && e->time >= from && e->time <= to)
			time = e->time;
	}
	return time;
}

/* Likewise all users, whatever the session; each is there once for a product, and all that are alike stand together. */
static bool
users_right(SlmCarts *carts, SlmTime from, SlmTime to)
{
	uint32_t	expected = 0;

	if (!slm_carts_join_users(carts))
		return false;
	for (int u = 1; u < USERS; u++)
	{
		for (int p = 0; p < PRODUCTS; p++)
		{
			SlmTime		removal = last_of_user(u, p, SLM_REMOVE_FROM_CART, from, to);
			SlmTime		purchase = last_of_user(u, p, SLM_PURCHASE, from, to);
			uint32_t	found = 0;

			if (removal == SLM_NEVER && purchase == SLM_NEVER)
				continue;
			expected++;
			for (uint32_t i = 0; i < carts->nusers; i++)
				found += carts->users[i].user_id == u && carts->users[i].product_id == p && carts->users[i].removal == removal &&
					carts->users[i].purchase == purchase;
			if (found != 1)
				return false;
		}
	}
	for (uint32_t i = 1; i < carts->nusers; i++)
	{
		if (carts->users[i].user_id < carts->users[i - 1].user_id)
			return false;
	}
	return carts->nusers == expected && expected > 0;
}

static void
shuffle(void)
{
	for (uint64_t i = EVENTS - 1; i > 0; i--)
	{
		uint64_t	j = unit_random(i + 1);
		Event		e = events[i];

		events[i] = events[j];
		events[j] = e;
	}
}

/* By way of bytes, which stand in memory of their own so that the sanitizer sees any use beyond. */
static bool
send(SlmCarts *to, const SlmCarts *from, size_t cut)
{
	size_t		len = slm_carts_packed_size(from);
	char	   *data = malloc(len);
	char	   *copy;
	bool		ok;

	slm_carts_pack(from, data);
	copy = malloc(len - cut + (len == cut));
	memcpy(copy, data, len - cut);
	ok = slm_carts_unpack(to, copy, len - cut);
	free(copy);
	free(data);
	return ok && len % 8 == 0;
}

static void
test_any_order(uint64_t seed)
{
	SlmHashKey	key = slm_hash_key(seed, 1);
	SlmCarts	all = {0};
	SlmCarts	one = {0};
	SlmChunk	chunk = {0};
	bool		ok = true;

	make_events(seed);
	for (int round = 0; round < 3 && ok; round++)
	{
		shuffle();
		for (int i = 0; i < EVENTS;)
		{
			slm_chunk_reset(&chunk);
			for (uint64_t n = unit_random(300); n > 0 && i < EVENTS; n--, i++)
			{
				char		session[64];
				SlmEvent	event = as_event(&events[i], session);

				ok &= slm_chunk_add(&chunk, &key, &event, 0, 1, (SlmSlice) {"", 0}, 1000);
			}
			if (unit_random(2))
				ok &= slm_carts_fold(&all, &chunk.carts);
			else
			{
				slm_carts_reset(&one);
				ok &= slm_carts_fold(&one, &chunk.carts) && send(&all, &one, 0);
			}
		}
		ok &= all_right(&all, INT64_MIN, INT64_MAX);
		ok &= users_right(&all, INT64_MIN, INT64_MAX);
	}
	UNIT_OK(ok, "seed %llu: in any order, once or more", (unsigned long long) seed);
	slm_chunk_free(&chunk);
	slm_carts_free(&all);
	slm_carts_free(&one);
}

static void
test_order(void)
{
	SlmHashKey	key = slm_hash_key(1, 1);
	SlmCarts	carts = {0};
	SlmCartEvents list = {0};
	uint32_t   *order;
	bool		ok = true;

	for (int i = 0; i < 1000; i++)
	{
		char		session[32];
		SlmEvent	event = {.type = SLM_PURCHASE,.session.data = session};

		event.session.len = (uint32_t) snprintf(session, sizeof(session), "%d", (int) unit_random(100000));
		slm_cart_events_add(&list, &key, &event);
	}
	slm_carts_fold(&carts, &list);
	order = slm_carts_order(&carts);
	for (uint32_t i = 1; i < carts.n; i++)
	{
		SlmSlice	a = carts.carts[order[i - 1]].session;
		SlmSlice	b = carts.carts[order[i]].session;
		int			c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

		ok &= c < 0 || (c == 0 && a.len < b.len);
	}
	UNIT_OK(ok && carts.n > 900, "in the order of their sessions");
	free(order);
	slm_cart_events_free(&list);
	slm_carts_free(&carts);
}

static void
ignore(void *arg, uint64_t line, SlmTime time, SlmSlice raw)
{
	(void) arg, (void) line, (void) time, (void) raw;
}

static void
test_judged(void)
{
	SlmHashKey	key = slm_hash_key(1, 1);
	SlmCarts	carts = {0};
	SlmChunk	chunk = {0};
	SlmTime		latest = INT64_MIN;

	make_events(7);
	for (int i = 0; i < EVENTS; i++)
	{
		char		session[64];
		SlmEvent	event = as_event(&events[i], session);

		slm_chunk_add(&chunk, &key, &event, 0, 1, (SlmSlice) {"", 0}, 1000);
	}
	slm_chunk_reject_after(&chunk, 15, ignore, NULL);
	slm_chunk_drop_before(&chunk, -20, &latest);
	UNIT_OK(latest > INT64_MIN && latest < -20, "the latest of those that are too old is known");
	slm_carts_fold(&carts, &chunk.carts);
	UNIT_OK(all_right(&carts, -20, 15), "rows that are taken out of the chunk don't count");
	UNIT_OK(users_right(&carts, -20, 15), "nor do they of users");
	UNIT_OK(slm_carts_memory(&carts) > carts.n * sizeof(SlmCart), "memory is told");
	slm_chunk_free(&chunk);
	slm_carts_free(&carts);
}

static void
test_damage(void)
{
	SlmHashKey	key = slm_hash_key(1, 1);
	SlmCarts	one = {0};
	SlmCartEvents list = {0};
	SlmEvent	event = {.type = SLM_CART,.session = {"a session", 9}};
	bool		ok = true;

	slm_cart_events_add(&list, &key, &event);
	event.session.len = 8;
	slm_cart_events_add(&list, &key, &event);
	event.session.len = 0;
	event.type = SLM_PURCHASE;
	event.has_user_id = true;
	slm_cart_events_add(&list, &key, &event);
	slm_carts_fold(&one, &list);
	for (size_t cut = 8; cut <= slm_carts_packed_size(&one) && ok; cut += 8)
	{
		SlmCarts	to = {0};

		ok = !send(&to, &one, cut);
		slm_carts_free(&to);
	}
	UNIT_OK(ok, "bytes that are cut are found to be no carts");
	slm_carts_reset(&one);
	UNIT_OK(send(&one, &(SlmCarts) {0}, 0) && one.n == 0, "no carts are bytes as well");
	slm_cart_events_free(&list);
	slm_carts_free(&one);
}

int
main(void)
{
	memset(too_long, 'x', sizeof(too_long));
	for (uint64_t seed = 1; seed <= 5; seed++)
		test_any_order(seed);
	test_order();
	test_judged();
	test_damage();
	return unit_done();
}
