/*
 * reload.h: an object that is loaded, and those of its rows that were left out.
 */
#ifndef SLM_ARCHIVE_RELOAD_H
#define SLM_ARCHIVE_RELOAD_H

#include "postgres.h"

/*
 * In the caller's transaction, which has locked the object's row of sellometer.objects (done or archived): read it again, from
 * where it is or from its archive, and count those of its rows that were rejected or expired when it was loaded and can be used
 * now.  All else stays as it is.  Returns how many rows have been taken; an error if it can't be read as it was, and then nothing
 * has happened.  Needs SPI.
 */
extern int64 slm_reload_object(int64 id);

#endif							/* SLM_ARCHIVE_RELOAD_H */
