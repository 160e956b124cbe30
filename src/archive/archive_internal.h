/*
 * archive_internal.h: what reading (archive_read.c) and writing (archive_pack.c) of an archive share.
 */
#ifndef SLM_ARCHIVE_ARCHIVE_INTERNAL_H
#define SLM_ARCHIVE_ARCHIVE_INTERNAL_H

#include "postgres.h"

#include "archive/archive_types.h"
#include "common/cryptohash.h"
#include "executor/tuptable.h"
#include "ledger/reading.h"
#include "ledger/windows.h"
#include "pure/columns.h"
#include "pure/datetime.h"
#include "pure/deflate.h"
#include "pure/records.h"
#include "pure/rowmap.h"
#include "store/store.h"
#include "utils/tuplesort.h"

/* A tuple of the sort: the time, and object and row in one number. */
enum
{
	ARCHIVE_TIME,
	ARCHIVE_PLACE,
	ARCHIVE_FLAGS,
	ARCHIVE_ROW,
	ARCHIVE_COLS
};

#define SLM_PLACE(object, row)	((int64) (object) << 40 | (int64) (row))
#define SLM_PLACE_OBJECT(place)	((uint32) ((place) >> 40))
#define SLM_MAX_ORIGINALS	(1 << 23)

#define SLM_ROW_COUNTED	1		/* its time is in the object's window */
#define SLM_ROW_SINGLE		2		/* it fits no header: a line of one field */
#define SLM_ROW_SCHEMA_SHIFT	2	/* above these: the number of the row's schema */

/* A header and what it says. */
typedef struct SlmPackSchema
{
	SlmText		header;
	SlmSchema	schema;
} SlmPackSchema;

typedef struct SlmOriginal
{
	int64		id;
	char	   *key;
	char	   *etag;
	int64		size;
	int64		rows_total;
	int64		format_id;		/* that it was loaded with; 0: none */
	SlmWindows	windows;
	SlmTransfer *transfer;
	const SlmSchema *schema;	/* by its last header; NULL: it has none */
	uint32		schema_number;
	int64		rows;			/* read */
	TimestampTz last_time;		/* of the last row whose time could be read */
	uint32		number;			/* in the archive */
	char	   *problem;		/* why it is left out, or NULL */
	int			sqlstate;
} SlmOriginal;

typedef struct SlmPack
{
	const SlmArchive *archive;
	SlmStore   *source;
	SlmStore   *store;
	SlmOriginal *originals;
	int			n;

	SlmTimeCache time_cache;
	SlmColumns	columns;
	SlmPackSchema **schemas;
	uint32		nschemas;
	uint32		maxschemas;
	SlmRecords *records;
	Tuplesortstate *sort;
	TupleDesc	desc;
	TupleTableSlot *slot;
	bytea	   *row;			/* to put into the sort */
	size_t		row_size;

	SlmText		out;
	SlmSlice   *fields;			/* scratch */
	SlmSlice   *by_column;
	SlmDeflate	deflate;
	SlmRowMap	map;
	pg_cryptohash_ctx *hash;
	SlmPut	   *put;
	SlmPacked  *packed;
} SlmPack;

/* In archive_pack.c: have what a pack holds outside of memory contexts freed with the current one. */
extern void slm_archive_free_with_context(SlmPack *pack);

/*
 * Write an archive: pack->archive and ->store say where, write() puts rows and their header into pack->out, and calls
 * slm_archive_note_row() after each row.  Sets pack->packed, but for objects and rows; then data and length of pack->map are
 * the row map.
 */
extern void slm_archive_write(SlmPack *pack, void (*write) (SlmPack *pack, void *arg), void *arg);

/* A row of that object was put into pack->out: note in the row map whether it has counted, and flush what is there if it is much. */
extern void slm_archive_note_row(SlmPack *pack, uint32 object, bool counted);

/* In archive_read.c: find the archive's objects, and read them all into the sort, which is then to be performed. */
extern void slm_archive_read(SlmPack *pack);

#endif							/* SLM_ARCHIVE_ARCHIVE_INTERNAL_H */
