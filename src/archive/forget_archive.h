/*
 * forget_archive.h: an archive without a person.
 */
#ifndef SLM_ARCHIVE_FORGET_ARCHIVE_H
#define SLM_ARCHIVE_FORGET_ARCHIVE_H

#include "archive/archive_types.h"
#include "archive/forget_rows.h"

/*
 * In a transaction: write an archive anew, without the person, under the key of a spare one that was reserved; read it back; then its row in
 * sellometer.archives is of the new one, and the spare's of the old one, as of one that was broken off: slm_archive_clear() deletes it.
 * Returns the number of the person's rows.
 */
extern int64 slm_forget_in_archive(const SlmPerson *person, const SlmArchive *archive, const SlmArchive *spare);

#endif							/* SLM_ARCHIVE_FORGET_ARCHIVE_H */
