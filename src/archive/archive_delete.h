/*
 * archive_delete.h: the originals of an archive go.
 */
#ifndef SLM_ARCHIVE_ARCHIVE_DELETE_H
#define SLM_ARCHIVE_ARCHIVE_DELETE_H

#include "archive/archive_types.h"

/* Delete the archive's originals, unless they have changed meanwhile; an error if that fails. */
extern void slm_archive_delete_originals(const SlmArchive *archive);

#endif							/* SLM_ARCHIVE_ARCHIVE_DELETE_H */
