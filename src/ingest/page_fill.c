/*
 * page_fill.c: pages for a relation that is new, one after the other.
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "ingest/page_fill.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* The buffer is locked. */
static void
put_page(Relation rel, Buffer buffer, Page image)
{
	START_CRIT_SECTION();
	memcpy(BufferGetPage(buffer), image, BLCKSZ);
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(rel))
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}

void
slm_page_append(Relation rel, BlockNumber block, Page image)
{
	Buffer		buffer = ReadBufferExtended(rel, MAIN_FORKNUM, P_NEW, RBM_ZERO_AND_LOCK, NULL);

	if (BufferGetBlockNumber(buffer) != block)
		elog(ERROR, "page %u of %s is page %u", block, RelationGetRelationName(rel), BufferGetBlockNumber(buffer));
	put_page(rel, buffer, image);
}

void
slm_page_replace(Relation rel, BlockNumber block, Page image)
{
	put_page(rel, ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_ZERO_AND_LOCK, NULL), image);
}
