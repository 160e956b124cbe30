/*
 * archive_types.h: an archive, and what was written of it.
 */
#ifndef SLM_ARCHIVE_ARCHIVE_TYPES_H
#define SLM_ARCHIVE_ARCHIVE_TYPES_H

#include "postgres.h"
#include "datatype/timestamp.h"

#define SLM_CHECKSUM_SIZE	65	/* SHA-256 as hexadecimal digits */

/* An archive that is being made, or was made. */
typedef struct SlmArchive
{
	int64		id;				/* of its row in sellometer.archives */
	char	   *source;
	char	   *source_url;		/* where the originals are */
	char	   *url;			/* ends in '/' */
	char	   *server;			/* of both; or NULL */
	Oid			owner;
	char	   *key;
	TimestampTz start;			/* of the time of its objects */
	TimestampTz end;
} SlmArchive;

/* What was written. */
typedef struct SlmPacked
{
	int			objects;
	int			left_out;		/* objects that could not be read: noted with them */
	uint64		rows;
	uint64		csv_bytes;
	uint64		bytes;
	int64		original_bytes;
	char		checksum[SLM_CHECKSUM_SIZE];
	char	   *etag;
} SlmPacked;

#endif							/* SLM_ARCHIVE_ARCHIVE_TYPES_H */
