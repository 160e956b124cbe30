/*
 * alive.h: signs of life of the processes in the background: so others see it when one is stopped, hangs, or waits.
 *
 * A process gives one wherever its work comes on: for an object, a piece of one, a bulk of rows, a page of a list.  Who reads them judges by
 * the clock, and by what the server and the operating system know of the process.  There only if the library is in
 * shared_preload_libraries; else all calls do nothing.
 */
#ifndef SLM_SERVER_ALIVE_H
#define SLM_SERVER_ALIVE_H

#include "postgres.h"
#include "datatype/timestamp.h"

#define SLM_MAX_ALIVE	512

extern int	slm_stuck_after;		/* s: the setting of the same name (guc.c) */

typedef enum SlmAliveKind
{
	SLM_ALIVE_LAUNCHER,
	SLM_ALIVE_WORKER,
	SLM_ALIVE_PARSE_WORKER
} SlmAliveKind;

/* What is known of a process that has given no sign of life for a while. */
typedef enum SlmAliveState
{
	SLM_ALIVE_BUSY,				/* it computes, reads or writes its tables; or nobody can tell */
	SLM_ALIVE_STOPPED,			/* by a signal */
	SLM_ALIVE_WAITS_FOR_LOCK,	/* for a lock of the server's */
	SLM_ALIVE_WAITS,			/* for something else that the server has a name for */
	SLM_ALIVE_IN_CALL			/* in a call of the operating system, of which the server does not know */
} SlmAliveState;

typedef struct SlmAlive
{
	int			pid;
	SlmAliveKind kind;
	TimestampTz last;			/* its last sign of life */
	bool		stuck;			/* that is too long ago */
	char		at[NAMEDATALEN];	/* what it was at then */
	SlmAliveState state;		/* of one that is stuck */
	const char *waits_for;		/* likewise: as in pg_stat_activity, type and event; or NULL */
} SlmAlive;

/* From shmem.c: so much memory, and have it laid out. */
extern Size slm_alive_size(void);
extern void slm_alive_startup(void);

/* This process gives signs of life from now on, until it exits. */
extern void slm_alive_begin(SlmAliveKind kind);
/* One of them.  Cheap: a look at the clock. */
extern void slm_alive(void);
/* Likewise, and what it is at; idle: it waits for others to give it something to do, however long that takes. */
extern void slm_alive_at(const char *at, bool idle);

/*
 * The launcher, and the processes of this database; the waits_for are palloc'd.  Returns their number, at most SLM_MAX_ALIVE.  Without a
 * sign for sellometer.stuck_after a process is stuck, and one that is busy, without one for ten times as long.
 */
extern int	slm_alive_read(SlmAlive *out);

#endif							/* SLM_SERVER_ALIVE_H */
