/*
 * processes.h: how the worker and each procedure have ended last, in all databases.
 *
 * It is in shared memory: a transaction that is rolled back, or may not write, takes nothing of it along.  It goes with the server's
 * end.  There only if the library is in shared_preload_libraries; else all calls do nothing.
 */
#ifndef SLM_SERVER_PROCESSES_H
#define SLM_SERVER_PROCESSES_H

#include "postgres.h"
#include "datatype/timestamp.h"

/* The worker's rounds; all else is a procedure by its name in sellometer.runs, or "ingest". */
#define SLM_PROCESS_LOAD	"load"

#define SLM_MAX_PROCESSES	512
#define SLM_PROCESS_MESSAGE	512
#define SLM_PROCESS_HINT	256

typedef struct SlmProcess
{
	Oid			database;
	char		name[NAMEDATALEN];
	TimestampTz well_at;		/* when it last ended without an error; 0: never */
	TimestampTz failing_since;	/* the first of the errors in a row that were the last; 0: never */
	TimestampTz failed_at;		/* the last of them */
	int64		failures;		/* so many in a row */
	int			sqlstate;
	char		message[SLM_PROCESS_MESSAGE];
	char		hint[SLM_PROCESS_HINT];
} SlmProcess;

/* From shmem.c: so much memory, and have it laid out. */
extern Size slm_processes_size(void);
extern void slm_processes_startup(void);

/*
 * A process of this database has ended with an error, or without.  The first says whether the error is another than it ended with the
 * last time, so that it is to be logged; the second, how many errors in a row are over with that.
 */
extern bool slm_process_failed(const char *name, const ErrorData *error);
extern int64 slm_process_well(const char *name);

/* Likewise, of an entry that the caller keeps, under a lock of his. */
extern bool slm_process_note_failed(SlmProcess *process, const ErrorData *error);
extern int64 slm_process_note_well(SlmProcess *process);

/* Copies of all entries of this database; returns their number (at most SLM_MAX_PROCESSES). */
extern int	slm_processes_read(SlmProcess *out);

#endif							/* SLM_SERVER_PROCESSES_H */
