/*
 * rowmap.h: of which object each row of an archive is, and whether its time counted there.
 *
 * Runs of rows of the same kind: (object * 2 + counted, length) as LEB128 varints, deflated (zlib format).  An archive is
 * in the order of time, and rows of the same second in that of the objects, so runs are long.
 */
#ifndef SLM_PURE_ROWMAP_H
#define SLM_PURE_ROWMAP_H

#include <zlib.h>

#include "pure/types.h"

/* Zero-initialised is empty. */
typedef struct SlmRowMap
{
	uint64_t	kind;			/* of the run at hand */
	uint64_t	run;			/* its length */
	z_stream	stream;
	bool		ready;			/* stream must be freed */
	uint8_t		plain[4096];	/* not deflated yet */
	size_t		nplain;
	char	   *data;
	size_t		len;
	size_t		size;
} SlmRowMap;

/* Add the next row; then finish, after which data[0 .. len) is the map.  False if out of memory. */
extern bool slm_row_map_add(SlmRowMap *map, uint32_t object, bool counted);
extern bool slm_row_map_finish(SlmRowMap *map);
extern void slm_row_map_free(SlmRowMap *map);

typedef struct SlmRowMapReader
{
	z_stream	stream;
	bool		ready;
	uint8_t		plain[4096];
	size_t		at;
	size_t		nplain;
	uint64_t	kind;
	uint64_t	run;			/* rows left of it */
} SlmRowMapReader;

/* Read a map, which must stay in place.  False if out of memory. */
extern bool slm_row_map_read(SlmRowMapReader *reader, const char *data, size_t len);
/* The next row; false if there is none, or if the map is damaged. */
extern bool slm_row_map_next(SlmRowMapReader *reader, uint32_t *object, bool *counted);
extern void slm_row_map_close(SlmRowMapReader *reader);

#endif							/* SLM_PURE_ROWMAP_H */
