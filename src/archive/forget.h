/*
 * forget.h: a person, out of everything that the database and its archives hold.
 *
 *   sessions   of the user id: in carts, archives and files
 *   database   carts, reminders, text of rejected rows, words of errors                         [commit]
 *   archives   each that has rows of the person: reserve a key [commit], write it anew there, read it back, and have the
 *              two change places [commit], delete the old one [commit]
 *   files      of sources: left as they are, and named
 *
 * Rows stay rows: an archive's have a pseudonym for the session, which counts as the session did (pseudonym.h), so no sum changes, now or
 * by a replay.  Killed anywhere, the next call, or the next sellometer_archive(), deletes what is left over; until the old archive is
 * deleted it is whole.
 */
#ifndef SLM_ARCHIVE_FORGET_H
#define SLM_ARCHIVE_FORGET_H

#include "archive/forget_rows.h"
#include "nodes/pg_list.h"
#include "upkeep/runs.h"

/* What was found and done; strings and lists are in the memory context that was current when the work began. */
typedef struct SlmForgotten
{
	int64		sessions;		/* that the id was seen with */
	int64		carts;			/* rows deleted */
	int64		reminders;		/* likewise */
	int64		rejected_rows;	/* whose text was deleted */
	int64		messages;		/* errors whose words were deleted */
	int64		archives;		/* written anew */
	int64		archived_rows;	/* without the person now */
	int64		raw_rows;		/* in files of sources */
	List	   *raw_files;		/* of char *: "source/key" */
	List	   *unread;			/* likewise: what could not be looked through, and why */
} SlmForgotten;

typedef struct SlmForget
{
	SlmPerson	person;			/* user_id is to be set */
	SlmForgotten result;
} SlmForget;

/* As the work of a run, whose argument is an SlmForget: forget the person.  Nothing is archived or replayed meanwhile. */
extern void slm_forget_user(SlmRun *run, void *forget);

#endif							/* SLM_ARCHIVE_FORGET_H */
