/*
 * packed_table.h: a packed partition: a foreign table, and its companion, which has the rows in blocks.
 */
#ifndef SLM_PACKED_PACKED_TABLE_H
#define SLM_PACKED_PACKED_TABLE_H

#include "postgres.h"

#include "bulkwrite/plain.h"
#include "datatype/timestamp.h"
#include "pure/packed_rows.h"
#include "utils/relcache.h"

#define SLM_PACKED_SERVER	"sellometer_packed"

/* Bytes of a block with its key: so that four of them fit into a page. */
#define SLM_PACKED_ROOM		1960
#define SLM_PACKED_LEAST	400		/* of a block whose key is long */

/* How places and times go together: options of the foreign table. */
typedef struct SlmPackedForm
{
	char	   *key;			/* column */
	bool		texts;
	TimestampTz start;			/* of the partition */
	int64		unit;			/* microseconds that times differ by */
	double		rows;			/* when it was packed */
	double		keys;			/* likewise; 0: not known */
} SlmPackedForm;

/* The companion's columns, as its shape has them. */
enum
{
	SLM_PACKED_LAST_KEY, SLM_PACKED_LAST_PLACE, SLM_PACKED_DATA, SLM_PACKED_COLUMNS
};

typedef struct SlmPackedTable
{
	SlmPackedForm form;
	SlmShape	shape;			/* of the companion */
	Relation	companion;
	int			lock;			/* on it */
} SlmPackedTable;

/* Is a relation one of those? */
extern bool slm_is_packed(Oid relid);

/* Its options alone, without a look at the companion. */
extern SlmPackedForm slm_packed_form(Oid relid);

/* The companion's name, in the current memory context. */
extern char *slm_packed_companion(const char *partition);

/* Open the companion of a foreign table that the caller has locked.  An error if it is not as it should be.  Close it, and keep the lock. */
extern SlmPackedTable *slm_packed_open(Oid relid, int lock);
extern void slm_packed_close(SlmPackedTable *table);

/* Between a row's time and type and its place.  False if it has none: not a multiple of the unit, or before the start. */
extern bool slm_packed_place(const SlmPackedForm *form, TimestampTz time, int type, uint64 *place);

static inline TimestampTz
slm_packed_time(const SlmPackedForm *form, uint64 place)
{
	return form->start + (int64) (place / 4) * form->unit;
}

#endif							/* SLM_PACKED_PACKED_TABLE_H */
