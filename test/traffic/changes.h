/*
 * changes.h: what faults_plan.c plans and faults.c plays.
 */
#ifndef TRAFFIC_CHANGES_H
#define TRAFFIC_CHANGES_H

#include "faults.h"

/* What happens at a second. */
typedef enum ChangeKind
{
	CHANGE_PRODUCT_PRICE,		/* of product `what`, times factor */
	CHANGE_CATEGORY_PRICE,		/* of all products of category `what`, times factor */
	CHANGE_CODE,				/* of category `what`, to code */
	CHANGE_GAP,					/* by `what`: +1 begins, -1 ends */
	CHANGE_ALL_PRICES,			/* of all products, times factor */
	CHANGE_BRAND_PRICE,			/* of all products of brand `what`, times factor */
	CHANGE_NEW,					/* product `what` exists */
	CHANGE_RATE,				/* of all events, times factor; `what`: +1 or -1 flash sales, in which more is bought */
	CHANGE_CRAWL				/* crawlers' views, for each ordinary event, by factor more */
} ChangeKind;

typedef struct Change
{
	int64_t		second;
	ChangeKind	kind;
	int			what;
	double		factor;
	const char *code;
} Change;

/* One event of an extra session. */
typedef struct Visit
{
	int64_t		second;
	uint32_t	order;			/* keeps events of the same second apart */
	EventType	type;
	uint32_t	product;
	Session    *session;
} Visit;

#endif							/* TRAFFIC_CHANGES_H */
