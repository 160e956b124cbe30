/*
 * runs.h: runs of the procedures that do their work piece by piece, and their rows in sellometer.runs.
 *
 *   slm_run --> is another run of it under way?  notice, and return
 *           --> work: pieces, each a transaction --> at the first that does something: row "running", committed with it
 *           --> row "done", "held" or "failed"
 *
 * One run of a procedure at a time in a database: a lock of the session sees to that, which goes with the backend.  So a
 * row "running" that a run finds at its start belongs to a backend that is gone: it becomes "died".
 */
#ifndef SLM_UPKEEP_RUNS_H
#define SLM_UPKEEP_RUNS_H

#include "postgres.h"
#include "fmgr.h"
#include "lib/stringinfo.h"

typedef struct SlmRun
{
	const char *procedure;		/* as in sellometer.runs: "rollup", "prune", "merge_backlog" … */
	int64		id;				/* of its row; 0: nothing was done yet */
	bool		held;			/* set by the work: ended early, by a surge */
	StringInfoData detail;		/* set by the work: a JSON object */
} SlmRun;

/* The work of a run.  On an error it may leave a transaction open that has not executed anything since the last commit. */
typedef void (*SlmRunWork) (SlmRun *run, void *arg);

/*
 * Connect to SPI for a procedure that commits; from then on its transactions act as the extension's owner (as_owner.h).  An error
 * if the CALL is inside of a transaction block.
 */
extern void slm_connect_to_commit(FunctionCallInfo fcinfo, const char *procedure);

/* And leave: the caller is who he was. */
extern void slm_disconnect(void);

/*
 * Do the work, unless another run of the procedure is under way: then false, and a NOTICE if loud.  Not inside of a
 * subtransaction.  An error of the work is noted in shared memory (processes.h) and, where that can be written, in the run's row, which a
 * failure has even if its work had none; and passed on.
 */
extern bool slm_run(const char *procedure, bool loud, SlmRunWork work, void *arg);

/*
 * In the transaction of a piece of work that has something to do: make sure that the run has its row.  The piece must
 * commit soon: begin where the risk begins.
 */
extern void slm_run_begin(SlmRun *run);

/* Should the run end early?  Sets run->held, with a NOTICE. */
extern bool slm_run_hold(SlmRun *run);

/* One piece of work: whatever it does is committed as one. */
typedef void (*SlmStep) (void *arg);

/*
 * Execute a step of a run in a transaction and a memory context of its own.  Returns NULL, or the error (in the current
 * context) if there was one: all of the step is rolled back then.
 */
extern ErrorData *slm_try_step(SlmRun *run, SlmStep step, void *arg);
/* Likewise, but an error is raised. */
extern void slm_step(SlmRun *run, SlmStep step, void *arg);

#endif							/* SLM_UPKEEP_RUNS_H */
