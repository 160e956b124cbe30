/*
 * forget_rows.h: the rows of a person, in archives and in files.
 *
 * A row is a person's if it has the user id, or a session that a row with this id has.  What can't be split into fields is, if the id
 * stands in it as a word, or such a session anywhere.
 */
#ifndef SLM_ARCHIVE_FORGET_ROWS_H
#define SLM_ARCHIVE_FORGET_ROWS_H

#include "postgres.h"

#include "pure/columns.h"
#include "pure/interner.h"
#include "pure/reader.h"
#include "store/store.h"

/* Whom to forget.  sessions is malloc'ed: slm_interner_free(). */
typedef struct SlmPerson
{
	int64		user_id;
	char		digits[24];		/* the same as text */
	SlmHashKey	key;			/* of the database */
	SlmInterner		sessions;		/* that the id was seen with; more are added while rows are looked at */
} SlmPerson;

/* A row, or a header, as it stands. */
typedef struct SlmPersonRow
{
	SlmSlice	text;
	bool		header;
	bool		fits;			/* it has fields, as below */
	SlmSlice   *cells;			/* with their quotes; followed by readable bytes */
	size_t		ncells;
	const int  *column_cell;	/* of each SlmColumn: the cell that it is, or -1 */
	const int  *own_cell;		/* of each of nown values of a user's own dimensions, likewise */
	uint32		nown;
} SlmPersonRow;

typedef void (*SlmPersonRowCallback) (const SlmPersonRow *row, void *arg);

/*
 * Call back for each row of an object, in order, and for each header.  archive: sellometer_archive() has written it.  format: its own (NULL: none).  False with *error set
 * if it could not be read to its end; what can't be read as CSV is an error of kind SLM_STORE_FATAL.
 */
extern bool slm_person_rows(SlmStore *store, const char *key, const char *etag, bool archive, const SlmFormat *format,
							SlmPersonRowCallback callback, void *arg, SlmStoreError *error);

/* Note the session of a row with the person's id. */
extern void slm_person_note_session(SlmPerson *person, const SlmPersonRow *row);

/* Is a row, no header, the person's? */
extern bool slm_person_has(const SlmPerson *person, const SlmPersonRow *row);

/*
 * Such a row without what tells of the person, as a line with its end, added to out: the id is empty, the session a pseudonym
 * (pseudonym.h), columns that neither we nor a user's own dimensions know are empty.  *turned is set if it could not be used as an event before, and can be now.
 */
extern void slm_person_forget(const SlmPerson *person, const SlmPersonRow *row, SlmText *out, bool *turned);

#endif							/* SLM_ARCHIVE_FORGET_ROWS_H */
