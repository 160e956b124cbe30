/*
 * archive_delete.h: the originals of an archive go.
 */
#ifndef SLM_ARCHIVE_ARCHIVE_DELETE_H
#define SLM_ARCHIVE_ARCHIVE_DELETE_H

#include "archive/archive_types.h"

/* Delete the archive's originals, unless they have changed meanwhile; an error if that fails. */
extern void slm_archive_delete_originals(const SlmArchive *archive);

/* Of an archive that is not recorded: are all loaded objects of its hour or day, not archived by what this database knows, at the source? */
extern bool slm_archive_originals_there(const SlmArchive *archive);

#endif							/* SLM_ARCHIVE_ARCHIVE_DELETE_H */
