/*
 * archive_pack.h: some objects become one archive.
 */
#ifndef SLM_ARCHIVE_ARCHIVE_PACK_H
#define SLM_ARCHIVE_ARCHIVE_PACK_H

#include "archive/archive_types.h"

/*
 * In a transaction: pack the archive's objects, verify it, and record it; the rest is up to the commit.  An error is raised
 * for whatever keeps the block from being archived.  packed->objects may be 0: then nothing was written or recorded.
 */
extern void slm_archive_pack(const SlmArchive *archive, SlmPacked *packed);

#endif							/* SLM_ARCHIVE_ARCHIVE_PACK_H */
