/*
 * worker_slots.h: who loads which database, and what a worker and others tell each other.
 *
 * There only if the library is in shared_preload_libraries; else all calls do nothing and answer "no".
 */
#ifndef SLM_SERVER_WORKER_SLOTS_H
#define SLM_SERVER_WORKER_SLOTS_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "server/processes.h"

#define SLM_MAX_DATABASES	64
#define SLM_MAX_JOBS		8
#define SLM_MAX_TOLD		128

/* A job of pg_cron, as the worker has last seen it. */
typedef struct SlmJob
{
	char		name[NAMEDATALEN];
	bool		scheduled;
	bool		active;
	TimestampTz last_run;		/* 0: none is known */
	char		status[NAMEDATALEN];	/* of that run, as pg_cron has it; or "" */
	char		message[512];	/* likewise; or why the job can't be looked at */
	TimestampTz since;			/* when it was first seen like this: scheduled, active and with this status */
} SlmJob;

/* A thing of sellometer.health that is not well, and was told as such. */
typedef struct SlmTold
{
	char		name[NAMEDATALEN];	/* or its beginning and a checksum */
	int			rank;			/* of its severity */
} SlmTold;

/* A configured database, as others may know it. */
typedef struct SlmWorkerInfo
{
	char		name[NAMEDATALEN];
	int			pid;
	SlmProcess	start;
	bool		no_extension;
	int			lacking;
} SlmWorkerInfo;

/* From shmem.c: so much memory, and have it laid out. */
extern Size slm_slots_size(void);
extern void slm_slots_startup(void);

/* --- the launcher's and the worker's side; slots are numbered from 0 --- */
extern int	slm_slots_set(char **databases, int n);
extern bool slm_slot_may_start(int slot, char *name);
/* This process is the worker of a slot, and its database, from now on, until it exits; false if another one is. */
extern bool slm_slot_claim(int slot);
/* The worker could not be started, or not connect.  Is this another error than the last time? */
extern bool slm_slot_start_failed(int slot, const ErrorData *error);
/* A worker that was started at this time is gone: has nobody heard of it, nor why? */
extern bool slm_slot_start_unknown(int slot, TimestampTz started);
/* By the worker: does its database have the extension?  How many parse workers could not be started? */
extern void slm_slot_set_extension(int slot, bool is_there);
extern void slm_slot_set_lacking(int lacking);
extern void slm_slot_set_surge(int slot, bool surge);
/* Has somebody asked for a look at the sources?  Resets the wish. */
extern bool slm_slot_take_wake(int slot);

/* What the worker has seen of the jobs; `since` is filled in here. */
extern void slm_slot_set_jobs(int slot, const SlmJob *jobs, int n);
extern void slm_slot_set_read_only(int slot, bool read_only);
/* The slot of this name, whether its worker runs or not; -1: there is none. */
extern int	slm_slot_named(const char *database);
/* When was looked whether there is something to tell? */
extern TimestampTz slm_slot_told_at(int slot);
/* What was told of sellometer.health; survives the worker.  Returns the number, at most SLM_MAX_TOLD. */
extern int	slm_slot_get_told(int slot, SlmTold *told);
extern void slm_slot_set_told(int slot, const SlmTold *told, int n);

/* --- for others --- */

/* The jobs of this database, as its worker has seen them; returns their number, 0 if there is no worker that has looked. */
extern int	slm_jobs_read(SlmJob *out, TimestampTz *looked_at);
/* Are transactions of this database read-only by default, as its worker sees it? */
extern bool slm_database_read_only(void);

/* Ask the worker of this database to look now; false if there is none. */
extern bool slm_wake_worker(void);
/* Is a surge on in this database? */
extern bool slm_in_surge(void);
/* The worker's process of this database, 0 if none. */
extern int	slm_worker_pid(void);
/* All that are configured, in no order; returns their number, at most SLM_MAX_DATABASES. */
extern int	slm_workers_read(SlmWorkerInfo *out);
/* Does sellometer.database name it? */
extern bool slm_is_configured(const char *database);
/* Stop the worker of a database, and keep it from being started for a minute: DROP DATABASE wants it. */
extern void slm_stop_worker(const char *database);
/* It stays: the minute is over. */
extern void slm_let_worker_start(const char *database);

#endif							/* SLM_SERVER_WORKER_SLOTS_H */
