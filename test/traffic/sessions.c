/*
 * sessions.c: the visitors' behaviour.
 *
 * A fixed number of sessions is active at any time; each event belongs to one of them drawn at random, so a session's
 * events come session_gap seconds apart on average.  The numbers below are tuned so that the traffic as a whole has
 * the public data set's mix of events and share of repeated views; `check` measures both.
 */
#include "sessions.h"

#include <stdlib.h>
#include <string.h>

const char *const event_type_names[4] = {"view", "cart", "remove_from_cart", "purchase"};

/* Of the views that could be a repeat, how many are. */
#define P_LOOK_AGAIN		0.376
#define P_AGAIN_LAST		0.6
/* Of the new products looked at, how many are of the same category as the one before. */
#define P_SAME_CATEGORY		0.55
/* What a view leads to; for a product of average appeal. */
#define P_CART				0.0216
#define P_BUY_AT_ONCE		0.0035
/* What a cart leads to; otherwise it is left. */
#define P_CART_BOUGHT		0.76
#define P_CART_REMOVED		0.06

/* Sessions are short, medium or long. */
static int
session_length(Rng *rng)
{
	double		u = rng_double(rng);

	return 1 + rng_geometric(rng, u < 0.6 ? 0.7 : u < 0.95 ? 4.5 : 22.0);
}

/* Append n hexadecimal digits of *bits, which are used up. */
static char *
put_hex(char *to, int n, uint64_t *bits)
{
	for (int i = 0; i < n; i++)
	{
		*to++ = "0123456789abcdef"[*bits & 15];
		*bits >>= 4;
	}
	return to;
}

void
session_begin(Session *session, Rng *rng)
{
	double		u = rng_double(rng);
	uint32_t	user = 512000000 + (uint32_t) (u * u * 3000000) * 15 + rng_below(rng, 2);
	uint64_t	high = rng_next(rng);
	uint64_t	low = rng_next(rng);
	char	   *to = session->tail;

	for (uint32_t power = 100000000; power > 0; power /= 10)
		*to++ = (char) ('0' + user / power % 10);
	session->user_len = (uint8_t) (to - session->tail);
	*to++ = ',';
	/* A version 4 UUID. */
	to = put_hex(to, 8, &high);
	*to++ = '-';
	to = put_hex(to, 4, &high);
	*to++ = '-';
	*to++ = '4';
	to = put_hex(to, 3, &high);
	*to++ = '-';
	*to++ = "89ab"[low & 3];
	low >>= 2;
	to = put_hex(to, 3, &low);
	*to++ = '-';
	to = put_hex(to, 12, &low);
	*to++ = '\n';
	session->tail_len = (uint8_t) (to - session->tail);

	session->home = (uint16_t) (rng_next(rng) >> 48);
	session->left = (int16_t) (session_length(rng) & 0x7fff);
	session->n_viewed = 0;
	session->last_viewed = 0;
	session->next_type = -1;
}

/* A product to look at that is not meant to be a repeat; near the last one, or any. */
static uint32_t
new_product(Visitors *visitors, const Session *session)
{
	const Catalogue *cat = visitors->catalogue;

	if (session->n_viewed > 0 && rng_chance(&visitors->rng, P_SAME_CATEGORY))
	{
		const Product *last = &cat->products[session->viewed[session->last_viewed]];
		const Category *category = &cat->categories[last->category];

		return cat->by_category[category->first + alias_draw(&category->popular, &visitors->rng)];
	}
	return alias_draw(&cat->popular, &visitors->rng);
}

/* A view, and what it leads to. */
static uint32_t
look(Visitors *visitors, Session *session)
{
	Rng		   *rng = &visitors->rng;
	const Catalogue *cat = visitors->catalogue;
	uint32_t	product;

	if (session->n_viewed > 0 && rng_chance(rng, P_LOOK_AGAIN))
	{
		if (!rng_chance(rng, P_AGAIN_LAST))
			session->last_viewed = (uint8_t) rng_below(rng, session->n_viewed);
		product = session->viewed[session->last_viewed];
	}
	else
	{
		product = new_product(visitors, session);
		session->last_viewed = session->n_viewed < VIEWED ? session->n_viewed++ : (uint8_t) rng_below(rng, VIEWED);
		session->viewed[session->last_viewed] = product;
	}

	double		u = rng_double(rng) / cat->categories[cat->products[product].category].convert;

	if (u < P_CART + P_BUY_AT_ONCE)
	{
		session->next_type = u < P_CART ? CART : PURCHASE;
		session->next_product = product;
	}
	return product;
}

/* What a cart leads to. */
static void
after_cart(Session *session, Rng *rng)
{
	double		u = rng_double(rng);

	if (u < P_CART_BOUGHT)
		session->next_type = PURCHASE;
	else if (u < P_CART_BOUGHT + P_CART_REMOVED)
		session->next_type = REMOVE_FROM_CART;
}

static Session *
next_session(Visitors *visitors)
{
	uint32_t   *slot = &visitors->ahead[visitors->turn++ % AHEAD];
	Session    *session = &visitors->active[*slot];

	*slot = rng_below(&visitors->rng, visitors->n_active);
	__builtin_prefetch(&visitors->active[*slot], 1);
	__builtin_prefetch((char *) &visitors->active[*slot] + 64, 1);
	return session;
}

void
event_set_product(Event *event, const Catalogue *cat, uint32_t product)
{
	event->product = &cat->products[product];
	event->category = &cat->categories[event->product->category];
	event->brand = event->product->brand < 0 ? "" : cat->brands[event->product->brand];
}

void
visitors_next(Visitors *visitors, Event *event)
{
	Catalogue  *cat = visitors->catalogue;
	Session    *session = next_session(visitors);
	uint32_t	product;

	/* The one who left last time makes room for a new one now: until then the event's session stays readable. */
	if (session->left <= 0 && session->next_type < 0)
		session_begin(session, &visitors->rng);
	session->left--;
	if (session->next_type >= 0)
	{
		event->type = (EventType) session->next_type;
		product = session->next_product;
		session->next_type = -1;
		if (event->type == CART)
			after_cart(session, &visitors->rng);
	}
	else
	{
		event->type = VIEW;
		product = look(visitors, session);
	}
	event_set_product(event, cat, product);
	event->session = session;
}

void
visitors_start(Visitors *visitors, Catalogue *catalogue, const Options *options)
{
	double		active = options->rate / 60.0 * options->session_gap;
	Event		event;

	visitors->catalogue = catalogue;
	rng_seed(&visitors->rng, options->seed, STREAM_TRAFFIC);
	visitors->n_active = active < 4 ? 4 : active > 4000000 ? 4000000 : (uint32_t) active;
	visitors->active = aligned_alloc(64, visitors->n_active * sizeof(*visitors->active));
	if (visitors->active == NULL)
		fail("out of memory");
	visitors->turn = 0;
	memset(visitors->ahead, 0, sizeof(visitors->ahead));
	for (uint32_t i = 0; i < visitors->n_active; i++)
		session_begin(&visitors->active[i], &visitors->rng);
	for (uint64_t i = (uint64_t) visitors->n_active * 8; i > 0; i--)
		visitors_next(visitors, &event);
}
