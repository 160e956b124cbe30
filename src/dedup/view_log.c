/*
 * view_log.c: the view log is written.
 */
#include "postgres.h"

#include "bulkwrite/bulk.h"
#include "bulkwrite/wal.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "dedup/view_log.h"
#include "miscadmin.h"
#include "pure/granularity.h"
#include "server/alive.h"
#include "server/let_dump.h"
#include "server/locks.h"
#include "server/out_of_memory.h"
#include "server/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

int64
slm_view_log_committed(void)
{
	static SlmStatement statement = {"SELECT max(seq) FROM sellometer.view_log"};

	slm_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	return slm_int64(0, 1, 0);
}

static void
ensure_partition(TimestampTz hour)
{
	SlmGranularity day = {.usecs = USECS_PER_DAY};
	TimestampTz start = slm_bucket_start(day, hour);
	struct pg_tm tm;
	fsec_t		fsec;
	char		name[NAMEDATALEN];
	char	   *from;

	if (timestamp2tm(start, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "hour out of range");
	snprintf(name, sizeof(name), "view_log_p%04d%02d%02d", tm.tm_year, tm.tm_mon, tm.tm_mday);
	if (OidIsValid(get_relname_relid(name, get_namespace_oid("sellometer", false))))
		return;
	from = pstrdup(timestamptz_to_str(start));
	slm_execute_once(psprintf("CREATE TABLE sellometer.%s (LIKE sellometer.view_log INCLUDING STORAGE INCLUDING DEFAULTS INCLUDING GENERATED "
							  "INCLUDING CONSTRAINTS)", name), SPI_OK_UTILITY);
	slm_let_dump(name);
	slm_execute_once(psprintf("ALTER TABLE sellometer.%s REPLICA IDENTITY FULL", name), SPI_OK_UTILITY);
	slm_execute_once(psprintf("CREATE INDEX ON sellometer.%s (seq)", name), SPI_OK_UTILITY);
	slm_execute_once(psprintf("ALTER TABLE sellometer.view_log ATTACH PARTITION sellometer.%s "
							  "FOR VALUES FROM ('%s') TO ('%s')", name, from,
							  timestamptz_to_str(start + USECS_PER_DAY)), SPI_OK_UTILITY);
}

StaticAssertDecl(SLM_VIEWLOG_HEAD % VARHDRSZ == 0, "the header of a bytea is in front of a block");

int64
slm_view_log_write_blocks(const SlmViewLogBlocks *blocks)
{
	static SlmStatement next = {"SELECT nextval('sellometer.view_log_seq_seq')"};
	static SlmStatement insert = {
		"INSERT INTO sellometer.view_log (hour, seq, views, block) VALUES ($1, $2, $3, $4)",
		4, {TIMESTAMPTZOID, INT8OID, INT4OID, BYTEAOID}, .any_values = true
	};
	int64		seq;

	if (blocks->nblocks == 0)
		return 0;
	Assert(slm_lock_held(SLM_LOCK_WRITER));
	slm_execute(&next, NULL, NULL, SPI_OK_SELECT);
	seq = slm_int64(0, 1, 0);
	Assert(seq > slm_view_log_committed());
	for (uint32 i = 0; i < blocks->nblocks; i++)
	{
		const SlmViewLogBlock *block = &blocks->blocks[i];
		bytea	   *data = (bytea *) (block->data - VARHDRSZ);
		Datum		args[4] = {TimestampTzGetDatum(block->hour), Int64GetDatum(seq),
		Int32GetDatum(block->nviews), PointerGetDatum(data)};

		Assert(block->nviews > 0 && block->hour == slm_bucket_start((SlmGranularity) {.usecs = USECS_PER_HOUR}, block->hour));

		SET_VARSIZE(data, VARHDRSZ + block->len);
		ensure_partition(block->hour);
		if (slm_execute(&insert, args, NULL, SPI_OK_INSERT) != 1)
			slm_bulk_incomplete(1, "view_log");
		slm_wal_write_ahead();
		slm_alive();
		CHECK_FOR_INTERRUPTS();
	}
	return seq;
}

void
slm_view_log_write(const SlmDictionary *dictionary, const SlmViewList *lists, uint32 nlists)
{
	SlmViewLogBlocks blocks;

	if (!slm_viewlog_pack(dictionary, lists, nlists, &blocks))
		slm_out_of_memory();
	PG_TRY();
	{
		(void) slm_view_log_write_blocks(&blocks);
	}
	PG_FINALLY();
	{
		slm_viewlog_blocks_free(&blocks);
	}
	PG_END_TRY();
}

void
slm_view_log_write_batch(const SlmBatch *batch)
{
	SlmViewList *lists = palloc(sizeof(SlmViewList) * (batch->nruns + 1));

	slm_view_log_write(batch->dictionary, lists, slm_batch_view_lists(batch, lists));
	pfree(lists);
}

void
slm_view_log_damaged(TimestampTz hour)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("a block of sellometer.view_log is damaged"),
			 errdetail("It is one of the hour %s.", timestamptz_to_str(hour))));
}
