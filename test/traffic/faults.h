/*
 * faults.h: things that go wrong in a shop, with ground truth about each.
 *
 * Planned before the first event (faults_plan.c), from a stream of random numbers of their own:
 *
 *   changes   at a second: a price, or all of them, a category's code, whether anything is bought, how many come, what is new
 *   stocks    of some products: what is sold out is neither put into a cart nor bought
 *   visits    of extra sessions that leave a cart behind, or come back to it
 */
#ifndef TRAFFIC_FAULTS_H
#define TRAFFIC_FAULTS_H

#include "files.h"

typedef struct Faults
{
	const Options *options;
	Catalogue  *catalogue;
	Files	   *files;
	Rng			rng;
	int64_t		minutes;		/* expected length of the run */
	double		after;			/* minutes without faults at its start */
	double	   *popular;		/* share of the traffic that each product has */
	struct Change *changes;		/* in order of time */
	size_t		n_changes;
	size_t		next_change;
	struct Visit *visits;		/* in order of time */
	size_t		n_visits;
	size_t		next_visit;
	int64_t    *stock;			/* left of each product; INT64_MAX: without end; NULL: no stocks at all */
	FILE	   *inventory;
	int			gaps;			/* spans without purchases that are under way */
	int			flashes;		/* likewise flash sales */
	double		rate;			/* times as many events as without faults */
	double		crawl;			/* crawlers' views for each event */
	int64_t		crawled;		/* of them, left of this second */
	bool	   *hidden;			/* products that do not exist yet; NULL: all do */
	Session		crawler;
} Faults;

/* Plan what options->faults asks for, and write it into the ground truth. */
extern void faults_plan(Faults *faults, const Options *options, Catalogue *catalogue, Files *files);

/* Make the changes that are due. */
extern void faults_second(Faults *faults, int64_t second);

/* Get the next extra event that is due; false if there is none. */
extern bool faults_extra(Faults *faults, int64_t second, Event *event);

/* Let an ordinary event suffer from what is wrong: nothing is bought, the product is sold out. */
extern void faults_event(Faults *faults, Event *event);

#endif							/* TRAFFIC_FAULTS_H */
