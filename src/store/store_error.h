/*
 * store_error.h: what went wrong outside, as a value, and what comes from there fit for a message.
 */
#ifndef SLM_STORE_STORE_ERROR_H
#define SLM_STORE_STORE_ERROR_H

#include "postgres.h"
#include "compat.h"

typedef enum SlmStoreErrorKind
{
	SLM_STORE_OK,
	SLM_STORE_NOT_FOUND,		/* no such object, bucket or directory */
	SLM_STORE_CHANGED,			/* If-Match failed: the object is not the one that was listed */
	SLM_STORE_DENIED,			/* credentials missing, wrong, or without the right */
	SLM_STORE_TRANSIENT,		/* worth trying again later: 429, 5xx, timeout, reset, short body, name not resolved */
	SLM_STORE_FATAL				/* anything else: not worth trying again until something is changed */
} SlmStoreErrorKind;

/*
 * All strings are in the memory context that was current when the failing call was made.  Never holds a secret.  The message names
 * neither server, role, endpoint nor where credentials come from, and nothing that a server says: it is shown to whoever may see that
 * something went wrong.  Detail and hint are for those who may know how the store is reached.
 */
typedef struct SlmStoreError
{
	SlmStoreErrorKind kind;
	int			sqlstate;		/* MAKE_SQLSTATE code */
	int			retry_after_ms; /* what the server asked for, or 0 */
	char	   *message;		/* lower-case, no full stop */
	char	   *detail;			/* or NULL */
	char	   *hint;			/* or NULL */
} SlmStoreError;

/*
 * Fill *error: the message is a format; detail and hint are set to NULL for the caller to change.  All is palloc'd in
 * the current context.  Always returns false.
 */
extern bool slm_store_fail(SlmStoreError *error, SlmStoreErrorKind kind, int sqlstate,
						   const char *message,...) pg_attribute_printf(4, 5);

/* The same from errno of a file operation, whose message ends in ": No such file ..." as PostgreSQL's do. */
extern bool slm_store_fail_errno(SlmStoreError *error, int saved_errno,
								 const char *message,...) pg_attribute_printf(3, 4);

/* A copy of error whose strings are in the current context. */
extern void slm_store_error_copy(SlmStoreError *to, const SlmStoreError *from);

/*
 * A key as it can stand in a text column: the key itself if it is valid in the database's encoding (which must be UTF-8
 * for anything but ASCII), else NULL.
 */
extern const char *slm_store_key_text(const char *key);

/*
 * Any bytes made fit for a message: what isn't printable, or turns the direction of writing, becomes \xHH, and what is too long
 * is cut.  Palloc'd.
 */
extern char *slm_store_display(const char *bytes);

/* Likewise text of any length, with tabs and ends of lines as they are. */
extern char *slm_store_display_text(const char *bytes, size_t len);

/* An error with its detail and hint as one text, palloc'd. */
extern char *slm_store_error_text(const SlmStoreError *error);

/* ereport(ERROR) what error says. */
pg_noreturn extern void slm_store_error_raise(const SlmStoreError *error);

#endif							/* SLM_STORE_STORE_ERROR_H */
