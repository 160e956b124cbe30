/*
 * own_dimensions.h: dimensions of a user's own, as one backend knows them: sellometer.dimensions.
 *
 * They are read with the tiers, whose tables they have.  What rows are counted by is a copy that a dictionary has, so whoever writes
 * under the writer's lock, under which alone they change, first makes sure that it is what there is now.
 */
#ifndef SLM_DEDUP_OWN_DIMENSIONS_H
#define SLM_DEDUP_OWN_DIMENSIONS_H

#include "postgres.h"

#include "compat.h"
#include "datatype/timestamp.h"
#include "pure/dictionary.h"

/* Read them, with SPI. */
extern void slm_own_read(void);

/* As they were read last; stays in place, and changes when they are read again. */
extern const SlmOwn *slm_own(void);

/*
 * The values of those that are made of no column, by number, for rows of an object that is called so.  NULL if there are none.  In the
 * current memory context.  Each object is named by what it was called when it was counted, which sellometer.objects keeps.
 */
extern const SlmSlice *slm_own_given(const char *source, const char *key);

/* How many dimensions there are in all, and the name of one of a user's own, counted from 0; that stays until they are read again. */
extern int	slm_dimension_count(void);
extern const char *slm_own_name(int own);

/* Under the writer's lock, with SPI: an error, after which the caller may try again, unless they are these, of a dictionary that rows were read with. */
extern void slm_own_confirm(const SlmOwn *own);

/* Note that one has keys from an earlier time on. */
extern void slm_own_filled(int64 id, TimestampTz since);

/* Raise that error: rows, or what comes of them, were read by others than there are now. */
pg_noreturn extern void slm_own_changed(void);

#endif							/* SLM_DEDUP_OWN_DIMENSIONS_H */
