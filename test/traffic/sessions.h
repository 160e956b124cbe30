/*
 * sessions.h: visitors, who look at things, look again, and sometimes buy.
 */
#ifndef TRAFFIC_SESSIONS_H
#define TRAFFIC_SESSIONS_H

#include "catalogue.h"

/* In the order of the names in event_type_names. */
typedef enum EventType
{
	VIEW,
	CART,
	REMOVE_FROM_CART,
	PURCHASE
} EventType;

extern const char *const event_type_names[4];

#define SESSION_ID_LEN	36
#define VIEWED			8		/* last products that a visitor may look at again */

typedef struct Session
{
	char		tail[56];		/* "user_id,user_session\n" as it ends a row */
	uint8_t		tail_len;
	uint8_t		user_len;
	uint16_t	home;			/* which server it mostly talks to, scaled to 0 .. 65535 */
	int16_t		left;			/* events before it ends; < 0: not begun */
	uint8_t		n_viewed;
	uint8_t		last_viewed;	/* index in viewed */
	uint32_t	viewed[VIEWED];
	int8_t		next_type;		/* what must come next: an EventType, or -1 */
	uint32_t	next_product;
} __attribute__((aligned(64))) Session;

/* One row to be. */
typedef struct Event
{
	int64_t		second;			/* Unix time */
	int32_t		usec;			/* within it */
	EventType	type;
	const Product *product;
	const Category *category;
	const char *brand;			/* "" = none */
	const Session *session;
} Event;

#define AHEAD			16		/* sessions drawn in advance; a power of two */

typedef struct Visitors
{
	Catalogue  *catalogue;
	Rng			rng;
	Session    *active;
	uint32_t	n_active;
	uint32_t	ahead[AHEAD];	/* whose turn it is next: so that the memory is there when it is */
	uint32_t	turn;
} Visitors;

/* Begin with visitors who are in the middle of what they do. */
extern void visitors_start(Visitors *visitors, Catalogue *catalogue, const Options *options);

/* The next event of some visitor: type, product, session.  The session is valid until the next call. */
extern void visitors_next(Visitors *visitors, Event *event);

extern void event_set_product(Event *event, const Catalogue *catalogue, uint32_t product);

/* Make a new visitor of this session: new id, new user. */
extern void session_begin(Session *session, Rng *rng);

#endif							/* TRAFFIC_SESSIONS_H */
