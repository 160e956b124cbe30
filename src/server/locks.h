/*
 * locks.h: the locks by which those who load, roll up and keep house exclude each other.
 *
 * They are locks of an object: parts of the extension, numbered as below.  No statement takes these, so nobody can who has no
 * right to what does: the procedures, and sellometer.hold_loading().  (Advisory locks are open to every role.)  The view
 * sellometer.lock_holders says who holds them.
 */
#ifndef SLM_SERVER_LOCKS_H
#define SLM_SERVER_LOCKS_H

#include "postgres.h"
#include "storage/lock.h"

/* objsubid in pg_locks; src/sql/57_locks.sql has their names. */
typedef enum SlmLock
{
	SLM_LOCK_WRITER = 1,
	SLM_LOCK_ROLLUP,
	SLM_LOCK_RUN				/* of the first of the procedures that run one at a time; then of the others */
} SlmLock;

/* In a transaction.  An error if the extension is not there. */
extern LOCKTAG slm_lock_tag(SlmLock lock);

#ifdef USE_ASSERT_CHECKING
/* Does this process hold it? */
extern bool slm_lock_held(SlmLock lock);
#endif

/* The lock of a procedure that runs one at a time, by its name without prefix: "rollup". */
extern SlmLock slm_lock_of_run(const char *procedure);

/*
 * Take the writer's lock: one for each database, held to the end of the transaction.  Everything that writes tiers or the
 * view log holds it.  Returns the wait in milliseconds.
 */
extern double slm_writer_lock(void);
/* While it is held: does anybody wait for it? */
extern bool slm_writer_lock_wanted(void);

/*
 * Take the lock of who writes to a bucket at or after the watermark of a tier, to the end of the transaction.  The writer's
 * lock may be held; it must not be taken after this one.
 */
extern void slm_rollup_lock(void);

/* Wait until no run of the procedure is under way, and keep others from beginning until the end of the transaction. */
extern void slm_run_lock(const char *procedure);

#endif							/* SLM_SERVER_LOCKS_H */
