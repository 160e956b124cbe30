/*
 * archive_verify.h: does an archive read back as it was written?
 */
#ifndef SLM_ARCHIVE_ARCHIVE_VERIFY_H
#define SLM_ARCHIVE_ARCHIVE_VERIFY_H

#include "archive/archive_types.h"
#include "store/store.h"

/* Read an archive back: an error unless it has these rows and this checksum. */
extern void slm_archive_verify(SlmStore *store, const SlmArchive *archive, const SlmPacked *packed);

#endif							/* SLM_ARCHIVE_ARCHIVE_VERIFY_H */
