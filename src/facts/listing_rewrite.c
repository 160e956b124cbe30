/*
 * listing_rewrite.c: sellometer.other_listings of sessions and products of which views are taken out.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "facts/listing_rewrite.h"
#include "pure/interner.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "utils/memutils.h"

void
slm_listings_take(SlmListings *listings, const SlmView *view)
{
	Assert(view->fingerprint != 0);
	if (!slm_grow((void **) &listings->views, listings->n, &listings->max, sizeof(SlmView)))
		slm_out_of_memory();
	listings->views[listings->n++] = *view;
}

void
slm_listings_free(SlmListings *listings)
{
	free(listings->views);
	*listings = (SlmListings) {0};
}

void
slm_listings_find(const SlmViews *fingerprints, SlmViews *listed)
{
	static SlmStatement statement = {"SELECT DISTINCT fingerprint FROM sellometer.other_listings"};
	uint64		n = slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);

	for (uint64 i = 0; i < n; i++)
	{
		uint64		fingerprint = (uint64) slm_int64(i, 1, 0);
		bool		found;

		if (slm_views_find(fingerprints, fingerprint) != NULL && slm_views_add(listed, fingerprint, &found) == NULL)
			slm_out_of_memory();
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
delete_listed(const SlmViews *listed)
{
	static SlmStatement statement = {
		"DELETE FROM sellometer.other_listings o USING unnest($1) AS d (fingerprint) WHERE o.fingerprint = d.fingerprint",
		1, {INT8ARRAYOID}
	};
	Datum	   *values = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * listed->nviews);
	Datum		arg;
	int			n = 0;

	for (uint64 i = 0; i < listed->nslots; i++)
	{
		if (listed->slots[i].fingerprint != 0)
			values[n++] = Int64GetDatum((int64) listed->slots[i].fingerprint);
	}
	arg = slm_array(values, NULL, n, INT8OID);
	slm_execute(&statement, &arg, NULL, SPI_OK_DELETE);
	pfree(values);
}

void
slm_listings_rewrite(const SlmListings *listings, const SlmViews *listed, SlmBatch *batch)
{
	Assert(slm_lock_held(SLM_LOCK_WRITER));
	if (listed->nviews == 0)
		return;
	delete_listed(listed);
	for (uint32 i = 0; i < listings->n; i++)
	{
		if (slm_views_find(listed, listings->views[i].fingerprint) != NULL && !slm_batch_add_other(batch, &listings->views[i]))
			slm_out_of_memory();
	}
}
