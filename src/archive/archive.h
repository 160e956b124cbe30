/*
 * archive.h: the last tier: loaded objects, packed.
 *
 *   objects done, of a finished hour or day --> reserve a key [commit]
 *       --> read all, sort by time, write under one header --> read it back --> objects archived [commit]
 *       --> delete the originals [commit]
 *
 * Killed anywhere, the next run goes on: an archive that was not recorded is deleted and made anew, and one whose originals
 * were not deleted has them deleted.
 */
#ifndef SLM_ARCHIVE_ARCHIVE_H
#define SLM_ARCHIVE_ARCHIVE_H

#include "store/store.h"
#include "upkeep/runs.h"

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

/*
 * As the work of a run: archive all finished blocks of a source, or of all (NULL).  A block that fails does not stop the
 * others; an error about them is raised at the end.
 */
extern void slm_archive_all(SlmRun *run, const char *source);

/*
 * In a transaction: pack the archive's objects, verify it, and record it; the rest is up to the commit.  An error is raised
 * for whatever keeps the block from being archived.  packed->objects may be 0: then nothing was written or recorded.
 */
extern void slm_archive_pack(const SlmArchive *archive, SlmPacked *packed);

/*
 * In a transaction: a row in sellometer.archives for an archive that is going to be written, of which source, url, server and owner are
 * given; sets its id and a key that nothing in its place has, which is allocated in the current memory context.
 */
extern void slm_archive_reserve(SlmArchive *archive, const char *block);

/* In a transaction: delete what there is of an archive that was reserved and is not recorded, and its row. */
extern void slm_archive_clear(const SlmArchive *archive);

/* Read an archive back: an error unless it has these rows and this checksum. */
extern void slm_archive_verify(SlmStore *store, const SlmArchive *archive, const SlmPacked *packed);

/* Delete the archive's originals, unless they have changed meanwhile; an error if that fails. */
extern void slm_archive_delete_originals(const SlmArchive *archive);

#endif							/* SLM_ARCHIVE_ARCHIVE_H */
