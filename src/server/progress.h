/*
 * progress.h: how far work that is under way has got.
 *
 * There only if the library is in shared_preload_libraries; else all calls do nothing and answer "no".
 */
#ifndef SLM_SERVER_PROGRESS_H
#define SLM_SERVER_PROGRESS_H

#include "postgres.h"
#include "datatype/timestamp.h"

#define SLM_MAX_PROGRESS	64

/* Work under way in one backend. */
typedef struct SlmProgress
{
	int			pid;			/* 0 = free */
	Oid			database;
	char		task[NAMEDATALEN];	/* "load", "merge_backlog", "rollup" … */
	char		phase[NAMEDATALEN]; /* "fetch and read", "wait for lock", "apply" … */
	int64		objects_done;
	int64		objects_total;
	int64		bytes_done;
	int64		bytes_total;
	int64		rows_done;
	int64		large_seen;		/* bytes of large objects under way that were looked through */
	int64		large_loaded;	/* and of their parts */
	int64		large_before;	/* of the work on them what was done before this was begun */
	TimestampTz started;
} SlmProgress;

/* From shmem.c: so much memory, and have it laid out. */
extern Size slm_progress_size(void);
extern void slm_progress_startup(void);

/* Begin to report (ends by itself when the backend exits); then bring up to date; end. */
extern void slm_progress_begin(const char *task);
extern void slm_progress_totals(int64 objects, int64 bytes);
extern void slm_progress_phase(const char *phase);
extern void slm_progress_add(int64 objects, int64 bytes, int64 rows);
/* Large objects under way, all of them together; before: what was done of them is from before. */
extern void slm_progress_large(int64 seen, int64 loaded, bool before);
/* What was done, as a share of what there is to do, since it was begun; 0 if nothing is to be said. */
extern double slm_progress_share(const SlmProgress *progress);
extern void slm_progress_end(void);
/* Copies of all reports; returns their number (at most SLM_MAX_PROGRESS). */
extern int	slm_progress_read(SlmProgress *out);

#endif							/* SLM_SERVER_PROGRESS_H */
