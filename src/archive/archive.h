/*
 * archive.h: the last tier: loaded objects, packed.
 *
 *   objects done, of a finished hour or day --> reserve a key [commit]
 *       --> read all, sort by time, write under one header --> read it back --> objects archived [commit]
 *       --> delete the originals [commit]
 *
 * Killed anywhere, the next run goes on: an archive that was not recorded is deleted and made anew, while its originals are there, and one
 * whose originals were not deleted has them deleted.
 */
#ifndef SLM_ARCHIVE_ARCHIVE_H
#define SLM_ARCHIVE_ARCHIVE_H

#include "archive/archive_types.h"
#include "upkeep/runs.h"

/*
 * As the work of a run: archive all finished blocks of a source, or of all (NULL).  A block that fails does not stop the
 * others; an error about them is raised at the end.
 */
extern void slm_archive_all(SlmRun *run, const char *source);

/*
 * In a transaction: a row in sellometer.archives for an archive that is going to be written, of which source, url, server and owner are
 * given; sets its id and a key that nothing in its place has, which is allocated in the current memory context.  spare: it is to take the
 * place of another.
 */
extern void slm_archive_reserve(SlmArchive *archive, const char *block, bool spare);

/* In a transaction: delete what there is of an archive that was reserved and is not recorded, and its row. */
extern void slm_archive_clear(const SlmArchive *archive);

/*
 * Likewise of one that an earlier run has left; but where it could not be made anew, as originals that may be in it are gone, it stays in
 * its place, with a warning, and only the row goes.
 */
extern void slm_archive_clear_left_over(const SlmArchive *archive);

#endif							/* SLM_ARCHIVE_ARCHIVE_H */
